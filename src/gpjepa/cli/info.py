"""`gpjepa info`: what a run directory holds."""

from __future__ import annotations

from gpjepa.cli.options import Common, Run
from gpjepa.cli.output import print_json, print_summary


def info(run: Run, common: Common) -> None:
    """Show what a run was trained on, how, and what it knows."""
    from gpjepa.api.workflow import describe_run

    found = describe_run(run)
    if common.json:
        print_json(found)
    else:
        print_summary(found)
