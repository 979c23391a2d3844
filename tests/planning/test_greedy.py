from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gpjepa.planning.greedy import Beam, Greedy, exchanges, extensions, in_order_of_guess
from gpjepa.planning.objective import Ledger
from gpjepa.planning.planted import planted
from gpjepa.planning.sets import keys, padded
from gpjepa.planning.space import Space


def test_greedy_adds_the_best_member_each_time() -> None:
    problem = planted(12, 6, 3, 3)
    ledger = Ledger(problem.objective(), problem.space(3), 1000)
    Greedy()(ledger, 0)
    chosen: tuple[int, ...] = ()
    score = problem.objective()
    for _ in range(3):
        tried = [(*chosen, member) for member in range(12) if member not in chosen]
        chosen = tried[int(score(padded(tried, 3)).energy.argmin())]
    assert ledger.known(padded([chosen], 3)).all()
    assert ledger.spent == 12 + 11 + 10


def test_a_wide_beam_scores_everything() -> None:
    problem = planted(10, 6, 3, 0)
    ledger = Ledger(problem.objective(), problem.space(3), 1000)
    Beam(width=1000)(ledger, 0)
    assert ledger.spent == problem.space(3).count()
    assert tuple(ledger.best.members) == problem.members


def test_sets_grow_from_required_members() -> None:
    problem = planted(10, 6, 3, 0)
    space = Space(problem.space(3).names, 3, required=(problem.members[1],))
    ledger = Ledger(problem.objective(), space, 1000)
    Beam(width=50)(ledger, 0)
    assert tuple(ledger.best.members) == problem.members
    assert space.allows(ledger.evaluated).all()


def test_parts_that_are_no_answers_are_passed_through() -> None:
    problem = planted(10, 6, 3, 0)
    space = Space(problem.space(3).names, 3, min_size=3)
    ledger = Ledger(problem.objective(), space, 1000)
    Beam(width=10)(ledger, 0)
    assert (ledger.best.members >= 0).all()


def test_with_little_budget_the_best_guesses_are_scored() -> None:
    problem = planted(40, 8, 2, 0)
    ledger = Ledger(problem.objective(), problem.space(2), 60)
    Beam(width=10)(ledger, 0)
    assert ledger.spent == 60
    assert tuple(ledger.best.members) == problem.members


def test_extensions_keep_to_the_constraints() -> None:
    space = Space(tuple("abcde"), 3, apart=frozenset({(0, 1)}))
    found = keys(extensions(space, np.array([[0, 2, -1], [1, 3, 4]])))
    assert sorted(found) == [(0, 2, 3), (0, 2, 4)]
    assert keys(extensions(space, np.array([[0, -1, -1]]), np.array([2, 1]))) == [(0, 2)]


def test_exchanges_are_the_sets_one_member_away() -> None:
    space = Space(tuple("abcdef"), 3)
    found = set(keys(exchanges(space, np.array([1, 4, -1]))))
    one = {1, 4}
    wanted = {
        each
        for size in (1, 2, 3)
        for each in combinations(range(6), size)
        if (len(one - set(each)), len(set(each) - one)) in {(0, 0), (0, 1), (1, 0), (1, 1)}
    }
    assert found == wanted


@pytest.mark.parametrize("scored", [True, False])
def test_order_is_by_guess_and_sets_without_one_come_last(scored) -> None:
    problem = planted(8, 4, 2, 0)
    ledger = Ledger(problem.objective(), problem.space(2), 100)
    if scored:
        ledger.probe(problem.space(2).singles()[:5])
    sets = padded(combinations(range(8), 2), 2)
    ordered = in_order_of_guess(ledger, sets[np.random.default_rng(0).permutation(len(sets))])
    assert sorted(keys(ordered)) == sorted(keys(sets))
    guess = ledger.guess(ordered)
    count = 10 if scored else 0
    assert np.isfinite(guess[:count]).all()
    assert (np.diff(guess[:count]) >= 0).all()
    assert np.isnan(guess[count:]).all()
