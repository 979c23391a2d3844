from __future__ import annotations

import numpy as np

from gpjepa.planning.objective import Ledger
from gpjepa.planning.planted import planted
from gpjepa.planning.random_search import RandomSearch


def evaluated(budget: int, seed: int) -> np.ndarray:
    problem = planted(20, 4, 2, 0)
    ledger = Ledger(problem.objective(), problem.space(2), budget)
    RandomSearch(chunk=16)(ledger, seed)
    return ledger.evaluated


def test_it_spends_the_budget_on_distinct_sets() -> None:
    assert len(evaluated(50, 0)) == 50
    assert len(evaluated(1000, 0)) == 210


def test_seeds_draw_other_sets() -> None:
    np.testing.assert_array_equal(evaluated(50, 1), evaluated(50, 1))
    assert not np.array_equal(evaluated(50, 1), evaluated(50, 2))
