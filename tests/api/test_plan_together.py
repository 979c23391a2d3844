from __future__ import annotations

import pytest

from gpjepa.api.plan_together import planned_together
from gpjepa.planning.runs import run


def test_one_process_does_the_work_itself(setup) -> None:
    assert planned_together(setup, lambda own: (own is setup, own.shifts.runs is run)) == (
        True,
        True,
    )


def test_an_error_of_the_work_is_its_own(setup) -> None:
    with pytest.raises(ZeroDivisionError):
        planned_together(setup, lambda own: 1 // 0)
    assert setup.shifts.runs is run


def test_processes_that_are_not_joined_plan_by_themselves(setup, monkeypatch) -> None:
    told = {"RANK": 1, "LOCAL_RANK": 1, "WORLD_SIZE": 2, "MASTER_ADDR": "x", "MASTER_PORT": 1}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    assert planned_together(setup, lambda own: "own answer") == "own answer"
