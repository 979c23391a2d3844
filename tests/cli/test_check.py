from __future__ import annotations

import json
from typing import Any

WHERE = "gpjepa.api.workflow.check_file"
FOUND = {
    "roles": ["perturbation: column 'condition'"],
    "problems": ["'C' has one cell"],
    "table": [
        {"perturbation": "A", "cells": 100, "ceiling": 0.91},
        {"perturbation": "C", "cells": 1, "ceiling": float("nan")},
    ],
}


def test_the_table_goes_to_stdout_roles_and_problems_to_stderr(command: Any, replace: Any) -> None:
    calls = replace(WHERE, FOUND)
    done = command("check", "d.h5ad", "--split", "gears", "--perturbation", "condition")
    assert done.code == 0
    assert (calls[0]["split"], calls[0]["roles"].perturbation) == ("gears", "condition")
    assert done.out.splitlines() == [
        "perturbation  cells  ceiling",
        "A             100    0.91",
        "C             1      -",
    ]
    assert "column 'condition'" in done.err
    assert "problem: 'C' has one cell" in done.err


def test_quiet_prints_the_table_only(command: Any, replace: Any) -> None:
    replace(WHERE, FOUND)
    assert command("check", "d.h5ad", "--quiet").err == ""


def test_json_is_valid_although_a_ceiling_is_not_a_number(command: Any, replace: Any) -> None:
    replace(WHERE, FOUND)
    document = json.loads(command("check", "d.h5ad", "--json").out)
    assert document["table"][1] == {"perturbation": "C", "cells": 1, "ceiling": None}
    assert document["problems"] == FOUND["problems"]
