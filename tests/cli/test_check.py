from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpjepa.core.errors import DataError

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


def test_what_feature_tables_cover_is_told_after_the_roles(command: Any, replace: Any) -> None:
    told = {"features": ["features: esm2.csv covers 2 of 3 perturbed genes; missing: C"]}
    calls = replace(WHERE, FOUND | told)
    done = command("check", "d.h5ad", "--features", "esm2.csv", "--features", "string.npz")
    assert done.code == 0, done.err
    assert calls[0]["features"] == [Path("esm2.csv"), Path("string.npz")]
    assert done.out.splitlines()[:3] == [
        "perturbation: column 'condition'",
        "features: esm2.csv covers 2 of 3 perturbed genes; missing: C",
        "problem: 'C' has one cell",
    ]
    command("check", "d.h5ad")
    assert calls[1]["features"] == ()


def test_a_table_that_cannot_be_read_is_bad_data(command: Any, replace: Any) -> None:
    replace(WHERE, DataError("feature table 'x.csv' has no gene; expected rows; correct it"))
    done = command("check", "d.h5ad", "--features", "x.csv")
    assert done.code == 3
    assert done.err == "error: feature table 'x.csv' has no gene; expected rows; correct it\n"
