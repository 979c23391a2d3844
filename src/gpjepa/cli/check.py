"""`gpjepa check`: what a data file holds and what can be measured in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from gpjepa.cli.options import Common, Features, OnDisk, Roles, Sources, source_of
from gpjepa.cli.output import print_json, print_table


def check(
    data: Sources,
    roles: Roles,
    common: Common,
    on_disk: OnDisk = None,
    split: Annotated[
        str | None, typer.Option(metavar="SCHEME", help="Look at this split for leaks too.")
    ] = None,
    context_column: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Cell type or batch column of unseen-context."),
    ] = None,
    features: Features = None,
) -> None:
    """Show roles, problems and, per perturbation, cells, effect size and split-half ceiling.

    Of a feature table: how many of the perturbed genes it covers, and which it lacks.
    """
    from gpjepa.api.workflow import check_file

    options = replace(common.run_options(), backed=on_disk)
    chosen = roles.role_options()
    found = check_file(source_of(data), chosen, split, options, context_column, features or ())
    if common.json:
        print_json(found)
        return
    for line in (*found["roles"], *found.get("features", [])):
        print(line)
    for kind in ("problems", "leaks"):
        for line in found.get(kind, []):
            print(f"{kind.removesuffix('s')}: {line}")
    if "split" in found:
        sizes = ", ".join(f"{len(labels)} {part}" for part, labels in found["split"].items())
        print(f"split {split}: {sizes}; {'see the leaks' if found['leaks'] else 'no leak found'}")
    if found["table"]:
        print_table(found["table"], list(found["table"][0]))
