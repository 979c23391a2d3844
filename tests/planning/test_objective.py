from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpjepa.core.errors import ConfigError, NumericError
from gpjepa.planning.objective import Ledger, Scores
from gpjepa.planning.sets import canonical, keys
from gpjepa.planning.space import Space


class Listed:
    """Scores sets by the sum of their members; those with a `bad` one are not finite."""

    def __init__(self, bad: dict[int, float] | None = None) -> None:
        self.bad, self.seen = bad or {}, []

    def __call__(self, sets: np.ndarray) -> Scores:
        self.seen += keys(sets)
        energy = np.where(sets >= 0, sets, 0).sum(axis=1).astype(np.float64)
        for member, value in self.bad.items():
            energy[(sets == member).any(axis=1)] = value
        return Scores(energy, np.full(len(sets), 0.5))

    def guess(self, sets: np.ndarray) -> None:
        return None


def space(count: int = 6, **fields) -> Space:
    return Space(tuple("abcdefgh"[:count]), **{"max_size": 2, **fields})


ROWS = st.lists(st.lists(st.integers(0, 5), min_size=2, max_size=2), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5), st.integers(1, 15))
def test_each_set_is_scored_once_and_never_beyond_the_budget(batches, budget) -> None:
    objective = Listed()
    ledger = Ledger(objective, space(), budget)
    for batch in batches:
        rows = np.array(batch)
        scores = ledger.score(rows)
        known = ledger.known(rows)
        sums = np.array([sum(key) for key in keys(np.sort(rows, axis=1))])
        pairs = rows[:, 0] != rows[:, 1]
        np.testing.assert_array_equal(np.isfinite(scores.energy), known)
        np.testing.assert_array_equal(scores.energy[known & pairs], sums[known & pairs])
    assert len(objective.seen) == len(set(objective.seen)) == ledger.spent <= budget
    every = canonical(np.concatenate([np.array(batch) for batch in batches]))
    assert ledger.spent == min(budget, len(every))
    assert [point.evaluations for point in ledger.trace][-1] == ledger.spent


def test_the_trace_never_gets_worse_and_ends_at_the_best() -> None:
    ledger = Ledger(Listed(), space(), 10)
    for rows in ([[5, 4], [3, 2]], [[1, 2]], [[4, 3]]):
        ledger.score(np.array(rows), "phase", 3)
    energies = [point.energy for point in ledger.trace]
    assert energies == [5.0, 3.0, 3.0]
    assert ledger.trace[0].phase == "phase"
    assert ledger.trace[0].spread == 2.0
    assert (ledger.best.energy, tuple(ledger.best.members)) == (3.0, (1, 2))


def test_sets_outside_the_space_are_refused_by_name() -> None:
    ledger = Ledger(Listed(), space(apart=frozenset({(0, 1)})), 10)
    with pytest.raises(ConfigError, match=r"1 sets are outside the space \(a\+b\)"):
        ledger.score(np.array([[0, 1], [0, 2]]))
    assert ledger.spent == 0


def test_probes_cost_and_are_no_answers() -> None:
    ledger = Ledger(Listed(), space(required=(3,)), 10)
    assert ledger.probe(np.array([[0, -1], [3, -1]])).energy.tolist() == [0.0, 3.0]
    assert (ledger.spent, tuple(ledger.best.members)) == (2, (3, -1))


def test_energies_that_are_not_finite_are_named_counted_and_never_best() -> None:
    ledger = Ledger(Listed({0: -np.inf, 1: np.nan}), space(), 10)
    ledger.score(np.array([[0, 2], [1, 3], [4, 5], [2, 3]]))
    assert ledger.excluded == ("a+c", "b+d")
    assert (ledger.spent, ledger.best.energy) == (4, 5.0)
    assert len(ledger.ranked()[0]) == 2


def test_nothing_finite_is_an_error_that_names_sets() -> None:
    ledger = Ledger(Listed(dict.fromkeys(range(6), np.nan)), space(), 3)
    ledger.score(np.array([[0, 1], [2, 3]]))
    with pytest.raises(NumericError, match=r"all 2 sets scored is not finite \(a\+b, c\+d\)"):
        _ = ledger.best


def test_without_an_answer_the_error_says_so() -> None:
    ledger = Ledger(Listed(), space(required=(0, 1)), 3)
    ledger.probe(np.array([[0, -1]]))
    with pytest.raises(ConfigError, match="none of the 1 sets scored"):
        ledger.ranked()


def test_a_budget_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="budget is 0"):
        Ledger(Listed(), space(), 0)


def test_sets_of_equal_energy_are_in_the_order_of_their_evaluation() -> None:
    ledger = Ledger(Listed(), space(), 10)
    ledger.score(np.array([[1, 4], [2, 3], [0, 5]]))
    sets, scores = ledger.ranked(2)
    assert keys(sets) == [(1, 4), (2, 3)]
    assert scores.error.tolist() == [0.5, 0.5]
