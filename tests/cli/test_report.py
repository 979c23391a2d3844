from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WHERE = "gpjepa.report.write_report"


def test_the_path_of_the_page_is_printed(command: Any, replace: Any, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    calls = replace(WHERE, target)
    assert command("report", "run", "--out", target).out == f"{target}\n"
    assert list(calls[0].values())[:2] == [Path("run"), target]
    assert json.loads(command("report", "run", "--out", target, "--json").out) == {
        "report": str(target)
    }


def test_an_existing_page_is_kept_unless_forced(command: Any, replace: Any, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    target.write_text("mine")
    calls = replace(WHERE, target)
    assert (command("report", "run", "--out", target).code, calls) == (2, [])
    assert command("report", "run", "--out", target, "--force").code == 0
