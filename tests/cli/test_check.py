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


def test_roles_problems_leaks_and_the_table_are_the_answer(command: Any, replace: Any) -> None:
    parts = {"train": ["A", "B"], "validation": [], "test": ["A"]}
    calls = replace(WHERE, {**FOUND, "leaks": ["'A' trains and tests"], "split": parts})
    done = command("check", "d.h5ad", "--split", "gears", "--perturbation", "condition")
    assert done.code == 0
    assert (calls[0]["split"], calls[0]["roles"].perturbation) == ("gears", "condition")
    assert done.err == ""
    assert done.out.splitlines() == [
        "perturbation: column 'condition'",
        "problem: 'C' has one cell",
        "leak: 'A' trains and tests",
        "split gears: 2 train, 0 validation, 1 test; see the leaks",
        "perturbation  cells  ceiling",
        "A             100    0.91",
        "C             1      -",
    ]


def test_a_split_without_leaks_says_so(command: Any, replace: Any) -> None:
    parts = {"train": ["A"], "validation": ["B"], "test": ["C"]}
    calls = replace(WHERE, {**FOUND, "leaks": [], "split": parts})
    done = command("check", "d.h5ad", "--split", "unseen-context", "--context-column", "donor")
    assert calls[0]["context_column"] == "donor"
    told = "split unseen-context: 1 train, 1 validation, 1 test; no leak found"
    assert told in done.out.splitlines()


def test_json_is_valid_although_a_ceiling_is_not_a_number(command: Any, replace: Any) -> None:
    replace(WHERE, FOUND)
    document = json.loads(command("check", "d.h5ad", "--json").out)
    assert document["table"][1] == {"perturbation": "C", "cells": 1, "ceiling": None}
    assert document["problems"] == FOUND["problems"]
