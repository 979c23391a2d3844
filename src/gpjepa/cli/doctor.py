"""`gpjepa doctor`: whether this installation can work."""

from __future__ import annotations

import typer

from gpjepa.cli.diagnosis import diagnose
from gpjepa.cli.options import Common
from gpjepa.cli.output import print_json, print_table


def doctor(common: Common) -> None:
    """Check versions, threads, device, disk and embedded data; exit 1 when something is wrong."""
    findings = diagnose(common.device, common.threads)
    rows = [
        {"check": finding.name, "ok": finding.ok, "found": finding.found, "do": finding.do}
        for finding in findings
    ]
    wrong = [finding for finding in findings if not finding.ok]
    if common.json:
        print_json({"ok": not wrong, "checks": rows})
    else:
        print_table(rows, ["check", "ok", "found", "do"])
    if wrong:
        raise typer.Exit(1)
