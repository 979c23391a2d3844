from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DEMO = "gpjepa.api.demo.run_demo"
RENDER = "gpjepa.report.render"


def test_the_last_line_is_the_path_of_the_report_of_the_run(command: Any, replace: Any) -> None:
    calls = replace(DEMO, {"cells": 3375})
    renders = replace(RENDER, Path("d/report.html"))
    done = command("demo", "--out", "d", "--seed", "3")
    assert done.code == 0, done.err
    assert done.out.splitlines() == ["cells  3375", "d/report.html"]
    assert (calls[0]["out"], calls[0]["options"].seed) == (Path("d"), 3)
    assert (renders[0]["run"], renders[0]["out"]) == (Path("d"), Path("d/report.html"))


def test_json_is_the_summary_with_the_report_alone(command: Any, replace: Any) -> None:
    replace(DEMO, {"cells": 3375})
    replace(RENDER, Path("d/report.html"))
    done = command("demo", "--json")
    assert json.loads(done.out) == {"cells": 3375, "report": "d/report.html"}


def test_an_interrupted_demo_exits_with_130_and_has_no_report(command: Any, replace: Any) -> None:
    replace(DEMO, KeyboardInterrupt())
    renders = replace(RENDER, Path("d/report.html"))
    assert (command("demo").code, renders) == (130, [])
