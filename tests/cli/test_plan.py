from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpjepa.core.errors import DataError, OutputExistsError, VocabularyError

WHERE = "gpjepa.api.plan_run.plan_file"
ROW = {
    "rank": 1,
    "set": "A+B",
    "closed": 0.75,
    "energy": 0.5,
    "energy_se": 0.01,
    "additive_energy": 0.6,
    "novelty": 0.0,
    "measured": False,
    "verdict": "use the model",
}
SUMMARY = {
    "goal": {"kind": "condition", "name": "C+D", "cells": 12},
    "start": "60 cells",
    "distance": 2.0,
    "evaluations": 21,
    "sets": 21,
    "energy": "latent",
    "rescored": 20,
    "table": [ROW],
    "comparison": [],
    "said": "the sum of single shifts would have chosen A+C (rank 2 in the search)",
    "notes": ["a remark"],
    "out": "plan.csv",
    "trace_out": "plan.trace.csv",
    "json_out": "plan.json",
    "kept": "run/plans/C+D.json",
}


def test_the_best_sets_and_what_the_sum_would_have_chosen_are_printed(
    command: Any, replace: Any
) -> None:
    replace(WHERE, SUMMARY)
    done = command("plan", "run", "--goal-condition", "C+D", "--out", "plan.csv")
    assert done.code == 0, done.err
    assert "1     A+B  0.75    0.5     0.01       0.6" in done.out
    assert SUMMARY["said"] in done.out
    assert "run/plans/C+D.json" in done.out
    assert "note: a remark" in done.err


def test_a_goal_without_an_end_has_no_column_of_closed_distance(command: Any, replace: Any) -> None:
    replace(WHERE, SUMMARY | {"table": [ROW | {"closed": None}], "distance": None})
    done = command("plan", "run", "--signature", "s.csv", "--out", "plan.csv")
    assert "closed" not in done.out


def test_ten_are_printed_and_all_are_in_json(command: Any, replace: Any) -> None:
    replace(WHERE, SUMMARY | {"table": [ROW] * 30})
    shown = command("plan", "run", "--goal", "g.h5ad", "--out", "plan.csv")
    assert shown.out.count("A+B") == 10
    told = command("plan", "run", "--goal", "g.h5ad", "--out", "plan.csv", "--json")
    assert len(json.loads(told.out)["table"]) == 30


def test_planners_that_were_compared_are_printed_side_by_side(command: Any, replace: Any) -> None:
    rows = [{"planner": name, "set": "A+B", "energy": 0.5, "energy_se": 0.1, "evaluations": 9}
            for name in ("cem", "random")]  # fmt: skip
    calls = replace(WHERE, SUMMARY | {"comparison": rows})
    done = command("plan", "run", "--goal", "g.h5ad", "--compare", "--out", "plan.csv")
    assert "random   A+B" in done.out
    assert calls[0]["compare"] is True


def test_what_is_chosen_reaches_the_workflow(command: Any, replace: Any) -> None:
    calls = replace(WHERE, SUMMARY)
    done = command(
        "plan", "run", "--goal-condition", "C+D", "--out", "p.csv", "--max-size", "3",
        "--planner", "greedy", "--budget", "99", "--candidates", "A", "--candidates", "B",
        "--forbid", "C", "--forbid-pair", "A+B", "--require", "A", "--cost", "cost.csv",
        "--most-cost", "4", "--risk", "0.5", "--top", "7", "--size-cost", "0.1", "--share", "2",
        "--seed", "3",
        "--energy", "energy-distance", "--no-report", "--name", "mine",
    )  # fmt: skip
    assert done.code == 0, done.err
    (call,) = calls
    assert (call["run"], call["out"]) == (Path("run"), Path("p.csv"))
    assert call["goal"].condition == "C+D"
    sets, search = call["sets"], call["chosen"]
    assert (sets.max_size, sets.candidates, sets.required) == (3, ("A", "B"), ("A",))
    assert (sets.forbidden, sets.most_cost, sets.cost) == (("C", "A+B"), 4.0, Path("cost.csv"))
    assert (search.planner, search.budget, search.risk) == ("greedy", 99, 0.5)
    assert (search.top, search.share, search.seed) == (7, 2, 3)
    assert search.size_cost == 0.1
    assert search.energy == "energy-distance"
    assert (call["keep"], call["name"]) == (False, "mine")


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError("x"), 3), (VocabularyError("x"), 4), (OutputExistsError("x"), 2)],
)
def test_errors_have_their_exit_codes(
    command: Any, replace: Any, error: Exception, code: int
) -> None:
    replace(WHERE, error)
    assert command("plan", "run", "--goal", "g.h5ad", "--out", "plan.csv").code == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["--goal", "g.h5ad"],
        ["--goal", "g.h5ad", "--out", "p.csv", "--planner", "annealing"],
        ["--goal", "g.h5ad", "--out", "p.csv", "--max-size", "0"],
        ["--goal", "g.h5ad", "--out", "p.csv", "--budget", "0"],
        ["--goal", "g.h5ad", "--out", "p.csv", "--level", "2"],
    ],
)
def test_a_call_that_makes_no_sense_is_a_usage_error(
    command: Any, replace: Any, arguments: list[str]
) -> None:
    calls = replace(WHERE, SUMMARY)
    assert command("plan", "run", *arguments).code == 2
    assert calls == []
