"""`gpjepa check`: what a data file holds and what can be measured in it."""

from __future__ import annotations

from typing import Annotated

import typer

from gpjepa.cli.options import Common, Roles, Source
from gpjepa.cli.output import print_json, print_table


def check(
    data: Source,
    roles: Roles,
    common: Common,
    split: Annotated[
        str | None, typer.Option(metavar="SCHEME", help="Look at this split for leaks too.")
    ] = None,
    context_column: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Cell type or batch column of unseen-context."),
    ] = None,
) -> None:
    """Show roles, problems and, per perturbation, cells, effect size and split-half ceiling."""
    from gpjepa.api.workflow import check_file

    found = check_file(str(data), roles.role_options(), split, common.run_options(), context_column)
    if common.json:
        print_json(found)
        return
    for line in found["roles"]:
        print(line)
    for kind in ("problems", "leaks"):
        for line in found.get(kind, []):
            print(f"{kind.removesuffix('s')}: {line}")
    if "split" in found:
        sizes = ", ".join(f"{len(labels)} {part}" for part, labels in found["split"].items())
        print(f"split {split}: {sizes}; {'see the leaks' if found['leaks'] else 'no leak found'}")
    if found["table"]:
        print_table(found["table"], list(found["table"][0]))
