from __future__ import annotations

import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.planning.exhaustive import Exhaustive
from gpjepa.planning.objective import Ledger
from gpjepa.planning.planted import planted


@pytest.mark.parametrize("chunk", [7, 8192])
def test_it_scores_every_set_and_finds_the_planted_one(chunk) -> None:
    problem = planted(15, 8, 2, 0)
    ledger = Ledger(problem.objective(), problem.space(2), 120)
    Exhaustive(chunk)(ledger, 0)
    assert ledger.spent == 15 + 105
    assert tuple(ledger.best.members) == problem.members


def test_a_space_larger_than_the_budget_is_refused_before_anything_is_scored() -> None:
    problem = planted(15, 8, 2, 0)
    ledger = Ledger(problem.objective(), problem.space(2), 119)
    with pytest.raises(ConfigError, match="120 sets and the budget 119 evaluations"):
        Exhaustive()(ledger, 0)
    assert ledger.spent == 0
