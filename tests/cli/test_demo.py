from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WHERE = "gpjepa.report.demo.run_demo"
ROW = {"metric": "slope", "model": 0.98765, "best_baseline_name": "additive", "won": True}


def test_the_scores_are_shown_and_the_last_line_is_the_report(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"headline": [ROW], "report": "d/report.html"})
    done = command("demo", "--out", "d", "--seed", "3")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "metric  model   best_baseline_name  won",
        "slope   0.9877  additive            yes",
        "d/report.html",
    ]
    assert (calls[0]["out"], calls[0]["options"].seed) == (Path("d"), 3)


def test_json_is_the_summary_alone(command: Any, replace: Any) -> None:
    replace(WHERE, {"cells": 3375, "report": "d/report.html"})
    done = command("demo", "--json")
    assert json.loads(done.out) == {"cells": 3375, "report": "d/report.html"}


def test_an_interrupted_demo_exits_with_130(command: Any, replace: Any) -> None:
    replace(WHERE, KeyboardInterrupt())
    assert command("demo").code == 130
