from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpjepa.core.errors import CheckpointError

WHERE = "gpjepa.report.render"


def test_the_path_of_the_page_is_printed(command: Any, replace: Any) -> None:
    calls = replace(WHERE, Path("r.html"))
    assert command("report", "run", "--out", "r.html").out == "r.html\n"
    assert calls == [{"run": Path("run"), "out": Path("r.html"), "force": False}]
    done = command("report", "run", "--out", "r.html", "--json", "--force")
    assert json.loads(done.out) == {"report": "r.html"}
    assert calls[1]["force"] is True


def test_a_run_that_lacks_an_axis_gets_no_page(command: Any, replace: Any) -> None:
    replace(WHERE, CheckpointError("axis generative has no score; expected three; evaluate again"))
    done = command("report", "run", "--out", "r.html")
    assert (done.code, done.out) == (4, "")


def test_a_missing_run_exits_with_4_and_writes_nothing(command: Any, tmp_path: Path) -> None:
    done = command("report", tmp_path / "no-run", "--out", tmp_path / "r.html")
    assert done.code == 4, done.err
    assert list(tmp_path.iterdir()) == []
