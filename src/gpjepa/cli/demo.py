"""`gpjepa demo`: the main job, whole, on embedded real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpjepa.cli.options import Common
from gpjepa.cli.output import print_json, print_note, print_table
from gpjepa.cli.signals import interruptible


def demo(
    common: Common,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the run goes.")] = Path(
        "demo-run"
    ),
) -> None:
    """Train, predict, compare and report on embedded real data."""
    from gpjepa.report.demo import run_demo

    with interruptible():
        summary = run_demo(out, common.run_options())
    if common.json:
        print_json(summary)
        return
    headline = summary.get("headline") or []
    if headline:
        print_table(headline, list(headline[0]))
    for note in summary.get("notes") or []:
        print_note(f"note: {note}", common.quiet)
    print(summary["report"])
