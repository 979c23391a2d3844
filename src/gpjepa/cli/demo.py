"""`gpjepa demo`: the main job, whole, on embedded real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.options import Common
from gpjepa.cli.output import print_json, print_summary
from gpjepa.cli.signals import interruptible


def demo(
    common: Common,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the run goes.")] = Path(
        "demo-run"
    ),
) -> None:
    """Train, predict, compare and report on embedded real data."""
    from gpjepa.api.demo import run_demo
    from gpjepa.report import render

    with interruptible():
        summary = run_demo(out, options=common.run_options())
        report = str(render(out, out / "report.html", force=True))
    if common.json:
        print_json({**summary, "report": report})
        return
    print_summary(summary)
    print(report)
