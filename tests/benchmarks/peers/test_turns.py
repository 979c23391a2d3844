"""Steps are timed from their ends, and a worker answers in JSON whatever its program prints."""

from __future__ import annotations

import pytest
from benchmarks.peers.turns import Enough, Steps, rates, timed


def test_rates_are_the_amount_over_both_times() -> None:
    assert rates(30.0, (1.0, 5.0), (4.0, 7.0)) == {"wall": 10.0, "cpu": 15.0}


def test_the_loop_is_left_when_enough_steps_were_timed() -> None:
    steps = Steps(count=3, warm=2)
    for _ in range(5):
        steps()
    with pytest.raises(Enough):
        steps()
    assert len(steps.clocks) == 6  # two to warm up, one where the first timed begins, three timed


def test_the_rate_is_that_of_the_median_step_after_the_warm_ones() -> None:
    steps = Steps(count=3, warm=1, clocks=[(0.0, 0.0), (9.0, 9.0), (10.0, 11.0), (14.0, 13.0)])
    steps.clocks.append((16.0, 17.0))
    assert steps.rates(8) == {"wall": 4.0, "cpu": 4.0}


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="expected over 3"):
        Steps(count=3, warm=2, clocks=[(0.0, 0.0)] * 3).rates(8)


def test_work_is_done_once() -> None:
    done: list[int] = []
    assert timed(5, lambda: done.append(1))["wall"] > 0
    assert done == [1]
