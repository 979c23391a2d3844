from __future__ import annotations

import numpy as np
import pytest

from gpjepa.planning.cem import CrossEntropy
from gpjepa.planning.objective import Ledger
from gpjepa.planning.planted import planted
from gpjepa.planning.sets import sizes

TEXTBOOK = CrossEntropy(warm=False, guided=False)


def run(method: CrossEntropy, candidates: int, size: int, budget: int, seed: int) -> Ledger:
    problem = planted(candidates, 8, size, seed)
    ledger = Ledger(problem.objective(), problem.space(size), budget)
    method(ledger, seed)
    return ledger


def hits(method: CrossEntropy, runs: int) -> int:
    found = 0
    for seed in range(runs):
        ledger = run(method, 30, 3, 150, seed)
        found += ledger.best.energy <= planted(30, 8, 3, seed).energy
    return found


def test_warmth_and_guesses_find_what_the_textbook_misses() -> None:
    ours, textbook = hits(CrossEntropy(), 5), hits(TEXTBOOK, 5)
    assert ours >= 4
    assert ours > textbook


def test_candidates_are_scored_alone_first() -> None:
    ledger = run(CrossEntropy(), 20, 3, 100, 0)
    assert (sizes(ledger.evaluated[:20]) == 1).all()
    assert ledger.trace[0].phase == "singles"


def test_a_budget_too_small_for_singles_is_spent_on_draws() -> None:
    ledger = run(CrossEntropy(), 60, 3, 30, 0)
    assert ledger.spent == 30
    assert ledger.trace[0].phase == "round 0"


def test_a_small_space_is_searched_whole() -> None:
    ledger = run(CrossEntropy(), 8, 2, 1000, 0)
    assert ledger.spent == 36


@pytest.mark.parametrize("method", [CrossEntropy(), TEXTBOOK])
def test_a_search_that_has_settled_begins_again(method) -> None:
    phases = {point.phase for point in run(method, 16, 3, 400, 1).trace}
    assert {"round 0", "round 1"} <= phases


def test_without_patience_for_restarts_budget_is_left() -> None:
    ledger = run(CrossEntropy(restarts=0), 30, 3, 4000, 1)
    assert ledger.left > 0


def test_the_answer_was_evaluated() -> None:
    ledger = run(TEXTBOOK, 30, 3, 100, 2)
    assert ledger.known(ledger.best.members[None]).all()
    assert ledger.best.energy == np.min(ledger.energies)


def test_partners_are_screened_for_what_no_guess_shows() -> None:
    problem = planted(60, 6, 2, 3, hidden=True)
    found = {}
    for partners in (0, 60):
        ledger = Ledger(problem.objective(), problem.space(2), 60 + 60 * 61 // 2)
        CrossEntropy(partners=partners)(ledger, 0)
        phases = {point.phase for point in ledger.trace}
        assert ("partners" in phases) == (partners > 0)
        assert ledger.spent <= ledger.budget
        found[partners] = ledger.best.energy
    assert found[60] <= problem.energy
