from __future__ import annotations

import numpy as np
import pytest

from gpjepa.planning.guided import first_order
from gpjepa.planning.objective import Ledger, Scores
from gpjepa.planning.partners import beside, evaluations, groups, screen_partners, strongest
from gpjepa.planning.planted import planted
from gpjepa.planning.sets import keys
from gpjepa.planning.space import Space

NAMES = tuple("abcdefgh")


def screened(candidates: int, size: int, partners: int, seed: int, owed: int | None = None):
    problem = planted(candidates, 16, size, seed, hidden=True)
    space = problem.space(size)
    ledger = Ledger(problem.objective(), space, 100_000)
    alone = first_order(ledger)
    assert alone is not None
    owed = evaluations(space, partners) if owed is None else owed
    before = ledger.spent
    screen_partners(ledger, alone, partners, owed, np.random.default_rng(0))
    return problem, ledger, ledger.spent - before


@pytest.mark.parametrize("size", [2, 3])
def test_a_member_that_helps_only_with_a_strong_one_is_found_with_it(size) -> None:
    problem, ledger, spent = screened(300, size, 60, 4)
    pair = np.array([[problem.members[0], problem.members[-1]]])
    assert ledger.known(pair).all()
    assert spent <= evaluations(ledger.space, 60)
    assert ledger.lowest <= problem.energy


def test_no_more_is_spent_than_owed() -> None:
    _, _, spent = screened(300, 3, 60, 4, owed=1234)
    assert spent == 1234


def test_a_set_of_three_holds_two_strong_candidates_and_any_other() -> None:
    space = Space(NAMES, 3)
    strong = groups(space, np.array([5, 2, 7]))
    assert strong == [[5, 2], [7]]
    wanted = [tuple(sorted((other, 2, 5))) for other in (0, 1, 3, 4, 6, 7)]
    assert keys(beside(space, strong[0])) == wanted
    assert len(beside(space, strong[1])) == 7


def test_groups_keep_to_constraints() -> None:
    apart = Space(NAMES, 3, apart=frozenset({(2, 5)}))
    assert groups(apart, np.array([5, 2, 7])) == [[5, 7], [2]]
    required = Space(NAMES, 3, required=(2,))
    assert groups(required, np.array([5, 2, 7])) == [[5], [7]]
    assert groups(Space(NAMES, 1), np.array([5, 2])) == []
    assert evaluations(Space(NAMES, 1), 3) == 0


class Numbers:
    """Energies known as numbers only: nothing can be guessed."""

    def __call__(self, sets: np.ndarray) -> Scores:
        there = (sets == 1).any(axis=1) & (sets == 6).any(axis=1)
        energy = sets.max(axis=1) + 10.0 - 20.0 * there
        return Scores(energy, np.zeros(len(sets)))

    def guess(self, sets: np.ndarray) -> None:
        return None


def test_without_guesses_energies_alone_decide() -> None:
    space = Space(NAMES, 3)
    ledger = Ledger(Numbers(), space, 200)
    alone = first_order(ledger)
    assert alone is not None
    assert strongest(ledger, alone, 2, np.random.default_rng(0)).tolist() == [0, 1]
    screen_partners(ledger, alone, 2, 100, np.random.default_rng(0))
    assert {1, 6} <= set(ledger.best.members.tolist())


def test_a_strong_candidate_is_told_beside_others() -> None:
    ranks = []
    for seed in range(12):
        problem = planted(2000, 32, 3, seed, hidden=True)
        ledger = Ledger(problem.objective(), problem.space(3), 10_000)
        alone = first_order(ledger)
        assert alone is not None
        order = strongest(ledger, alone, 2000, np.random.default_rng(seed)).tolist()
        at = problem.members[0]
        ranks.append((order.index(at) + 1, np.argsort(np.argsort(alone))[at] + 1))
    beside_others, on_their_own = np.exp(np.log(np.array(ranks)).mean(axis=0))
    assert beside_others < on_their_own
