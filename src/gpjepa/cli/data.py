"""`gpjepa data`: the embedded data sets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.expand import expand
from gpjepa.cli.options import Common
from gpjepa.cli.output import print_json, print_note, print_table


def build() -> typer.Typer:
    """Return the group of verbs about embedded data."""
    app = typer.Typer(help="List or export the embedded real data.")
    app.command("list")(expand(list_datasets))
    app.command("export")(expand(export))
    return app


def list_datasets(common: Common) -> None:
    """List the embedded data sets with size, source and licence."""
    from gpjepa.data import datasets

    rows = [asdict(datasets.describe(name)) for name in datasets.names()]
    if common.json:
        print_json(rows)
    else:
        print_table(rows, ["name", "n_obs", "n_vars", "title", "licence"])


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `gpjepa data list` shows it.")],
    out: Annotated[Path, typer.Option(metavar="FILE.h5ad", help="The file to write.")],
    common: Common,
) -> None:
    """Write an embedded data set as an h5ad file."""
    from gpjepa.data import datasets

    written = datasets.export(name, out, force=common.force)
    info = datasets.describe(name)
    print_note(f"{info.title}. {info.what_it_is_not}", common.quiet or common.json)
    if common.json:
        print_json({"out": str(written), **asdict(info)})
    else:
        print(written)
