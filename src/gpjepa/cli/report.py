"""`gpjepa report`: one self-contained page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.options import Common, Run
from gpjepa.cli.output import print_json


def report(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="The page to write.")],
    common: Common,
) -> None:
    """Write the report of an evaluated run as one HTML file."""
    from gpjepa.report import render

    written = render(run, out, common.force)
    if common.json:
        print_json({"report": str(written)})
    else:
        print(written)
