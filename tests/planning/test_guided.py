from __future__ import annotations

import numpy as np
import pytest

from gpjepa.planning.guided import GuessSearch, climb, first_order, neighbours
from gpjepa.planning.objective import Ledger
from gpjepa.planning.planted import planted
from gpjepa.planning.sets import keys
from gpjepa.planning.space import Space


def opened(candidates: int = 20, size: int = 3, budget: int = 1000, **fields):
    problem = planted(candidates, 16, size, 0)
    space = Space(problem.space(size).names, size, **fields)
    return problem, Ledger(problem.objective(), space, budget)


def test_singles_are_scored_where_half_the_budget_affords_them() -> None:
    _, ledger = opened(budget=40)
    assert first_order(ledger).shape == (20,)
    assert ledger.spent == 20
    _, ledger = opened(budget=39)
    assert first_order(ledger) is None
    assert ledger.spent == 0


def test_nothing_is_found_before_anything_is_known() -> None:
    _, ledger = opened()
    sets, guess = GuessSearch()(ledger, np.zeros((0, 3), dtype=np.int64), set())
    assert (len(sets), len(guess)) == (0, 0)


@pytest.mark.parametrize("fields", [{}, {"required": (3,)}, {"apart": frozenset({(0, 1), (2, 5)})}])
def test_a_wide_search_lists_all_sets_not_scored_best_guess_first(fields) -> None:
    _, ledger = opened(**fields)
    first_order(ledger)
    sets, guess = GuessSearch()(ledger, np.zeros((0, 3), dtype=np.int64), set())
    fresh = [key for part in ledger.space.every() for key in keys(part[~ledger.known(part)])]
    assert sorted(keys(sets)) == sorted(fresh)
    np.testing.assert_allclose(guess, np.sort(ledger.guess(sets)))


def test_a_narrow_search_widens_other_sets_each_time_and_climbs() -> None:
    _, ledger = opened(candidates=60)
    first_order(ledger)
    search, widened = GuessSearch(looked_at=120, pool=5, climbs=2, reach=30), set()
    drawn = np.array([[50, 51, 52], [53, 54, 55]])
    sets, guess = search(ledger, drawn, widened)
    once = set(widened)
    assert once
    search(ledger, drawn, widened)
    assert len(widened) > len(once)
    assert ledger.space.allows(sets).all()
    assert (np.diff(guess) >= 0).all()
    assert len({member for key in keys(sets) for member in key}) > 30


def test_a_climb_ends_where_no_exchange_has_a_better_guess() -> None:
    _, ledger = opened(candidates=30)
    first_order(ledger)
    everyone = np.arange(30)
    steps = climb(ledger, np.array([20, 21, 22]), everyone)
    last = [float(ledger.guess(step[:1])[0]) for step in steps]
    assert (np.diff(last) < 0).all()
    top = steps[-1][0]
    for out in top:
        for member in set(range(30)) - set(top.tolist()):
            near = np.sort([*[each for each in top if each != out], member])[None]
            assert ledger.guess(near)[0] >= last[-1]


def test_neighbours_are_one_member_away_and_not_scored() -> None:
    _, ledger = opened()
    ledger.score(np.array([[4, 7, -1], [4, -1, -1]]))
    best = set(ledger.best.members.tolist()) - {-1}
    near = neighbours(ledger)
    assert not ledger.known(near).any()
    for key in keys(near):
        assert len(set(key) - best) <= 1
        assert len(best - set(key)) <= 1
