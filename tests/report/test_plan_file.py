from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gpjepa.core.errors import CheckpointError
from gpjepa.report.plan_file import read_plans


def test_the_plans_of_a_run_are_read_in_the_order_of_their_names(
    make_run: Callable[..., Path],
) -> None:
    plans = read_plans(make_run(plans=3))
    assert [plan.name for plan in plans] == ["goal-0", "goal-1", "goal-2"]
    assert plans[0].rows[0]["rank"] == 1
    assert plans[0].goal == "KLF1+MAP2K6"
    assert plans[0].number("distance") == 1.6


def test_a_run_without_plans_has_none(make_run: Callable[..., Path]) -> None:
    assert read_plans(make_run(plans=0)) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "cannot be read"), ("[]", "lacks goal, planner"), ('{"goal": {}}', "lacks planner")],
)
def test_a_file_that_is_no_plan_is_refused(
    make_run: Callable[..., Path], text: str, words: str
) -> None:
    run = make_run()
    (run / "plans" / "other.json").write_text(text)
    with pytest.raises(CheckpointError, match=f"plans/other.json.*{words}.*gpjepa plan"):
        read_plans(run)


def test_a_number_that_is_missing_is_nan(make_run: Callable[..., Path]) -> None:
    run = make_run()
    path = run / "plans" / "goal-0.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"distance": None}))
    (plan,) = read_plans(run)
    assert plan.number("distance") != plan.number("distance")
