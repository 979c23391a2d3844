from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WHERE = "gpjepa.api.demo.run_demo"


def test_the_last_line_is_the_path_of_the_report(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"cells": 3375, "report": "d/report.html"})
    done = command("demo", "--out", "d", "--seed", "3")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "d/report.html"
    assert (calls[0]["out"], calls[0]["options"].seed) == (Path("d"), 3)


def test_json_is_the_summary_alone(command: Any, replace: Any) -> None:
    replace(WHERE, {"report": "d/report.html"})
    assert json.loads(command("demo", "--json").out) == {"report": "d/report.html"}
