from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpjepa.core.errors import ConfigError, NumericError
from gpjepa.planning.cem import CrossEntropy
from gpjepa.planning.greedy import Beam
from gpjepa.planning.objective import Ledger, Scores
from gpjepa.planning.planner import NAMES, planner_named
from gpjepa.planning.planted import Planted, PlantedObjective, planted
from gpjepa.planning.space import Space

SEARCHES = [name for name in NAMES if name != "exhaustive"]
PROBLEM = planted(14, 8, 3, 0)
CONSTRAINTS = (
    {},
    {"required": (2,)},
    {"min_size": 2, "apart": frozenset({(0, 1), (3, 4)})},
    {"required": (0, 5), "apart": frozenset({(0, 3)}), "min_size": 3},
    {"cost": np.arange(14.0), "most_cost": 9.0},
)


class Faulty(PlantedObjective):
    """A planted objective that is not finite for sets with some members, and guesses or not."""

    def __init__(self, problem: Planted, bad: tuple[int, ...], guesses: bool) -> None:
        super().__init__(problem.world, problem.goal)
        self.bad, self.guesses, self.calls = bad, guesses, 0

    def __call__(self, sets: np.ndarray) -> Scores:
        self.calls += len(sets)
        scores = super().__call__(sets)
        energy = np.where(np.isin(sets, self.bad).any(axis=1), np.nan, scores.energy)
        return Scores(energy, scores.error)

    def guess(self, sets: np.ndarray) -> np.ndarray | None:
        return super().guess(sets) if self.guesses else None


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SEARCHES),
    st.sampled_from(CONSTRAINTS),
    st.integers(1, 130),
    st.integers(0, 50),
    st.booleans(),
    st.sampled_from([(), (1, 7)]),
)
def test_no_planner_leaves_budget_or_space_and_seeds_repeat(
    name, fields, budget, seed, guesses, bad
) -> None:
    space = Space(PROBLEM.space(3).names, 3, **fields)
    found = []
    for _ in range(2):
        objective = Faulty(PROBLEM, bad, guesses)
        ledger = Ledger(objective, space, budget)
        planner_named(name)(ledger, seed)
        assert objective.calls == ledger.spent <= budget
        assert ledger.spent > 0
        found.append((ledger.evaluated, ledger.energies))
        if np.isfinite(ledger.lowest):
            assert space.allows(ledger.ranked()[0]).all()
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_all_sets_are_found_wanting_when_none_is_finite(name) -> None:
    objective = Faulty(PROBLEM, tuple(range(14)), True)
    ledger = Ledger(objective, PROBLEM.space(3), 469)
    planner_named(name)(ledger, 0)
    with pytest.raises(NumericError, match="not finite \\(gene-"):
        _ = ledger.best


@pytest.mark.parametrize("name", ["cem", "beam", "exhaustive"])
@pytest.mark.parametrize("seed", range(4))
def test_the_planted_set_is_found(name, seed) -> None:
    problem = planted(14, 8, 3, seed)
    ledger = Ledger(problem.objective(), problem.space(3), 469 if name == "exhaustive" else 200)
    planner_named(name)(ledger, seed)
    assert ledger.best.energy <= problem.energy


def test_settings_reach_the_planner() -> None:
    assert planner_named("beam", width=3) == Beam(width=3)
    assert planner_named("cem", warm=False) == CrossEntropy(warm=False)


def test_unknown_names_and_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="planner 'crem' is not known .*cem"):
        planner_named("crem")
    with pytest.raises(ConfigError, match="'greedy' has no such setting: .*width"):
        planner_named("greedy", width=3)
