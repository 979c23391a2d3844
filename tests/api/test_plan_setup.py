from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpjepa.api.goals import Direction
from gpjepa.api.plan import Departure, prepared
from gpjepa.api.plan_settings import Search
from gpjepa.api.plan_setup import has_counts
from gpjepa.api.plan_space import Constraints
from gpjepa.core.errors import ConfigError, DataError


def test_the_mean_objective_scores_the_models_own_mean(setup, start) -> None:
    """The latent L1 of g_φ's mean over the same control cells, computed by the model itself."""
    cells = setup.start
    for label in ("A", "A+B", "E+F"):
        condition = cells.condition([label] * len(cells.cells), np.arange(len(cells.cells)))
        mean = start.bundle.model.predict(cells.controls.state, condition).mean.mean(dim=0)
        expected = float((mean - setup.goal.mean).abs().mean())
        row = np.array([[setup.space.names.index(x) for x in label.split("+")]])
        assert setup.mean(row).energy[0] == pytest.approx(expected, rel=1e-4)


def test_nothing_is_added_to_what_is_told_and_the_terms_to_what_is_searched(setup) -> None:
    dear = replace(
        setup,
        space=replace(setup.space, cost=np.arange(6.0)),
        search=replace(setup.search, size_cost=0.5, cost_weight=0.1),
    )
    sets = np.array([[0, -1], [1, 3]])
    distance = dear.distance(dear.mean)
    added = dear.searched(sets).energy - dear.mean(sets).energy
    np.testing.assert_allclose(added, [0.5 * distance, (1.0 + 0.4) * distance], rtol=1e-5)
    np.testing.assert_allclose(dear.mean(sets).energy, setup.mean(sets).energy, rtol=1e-5)


def test_a_risk_adds_error_bars(setup) -> None:
    averse = replace(setup, search=replace(setup.search, risk=2.0))
    sets = np.array([[0, -1], [1, 3]])
    bars = setup.mean.error_bar(sets)
    assert (bars > 0).all()
    added = averse.searched(sets).energy - setup.mean(sets).energy
    np.testing.assert_allclose(added, 2 * bars, rtol=1e-4)


def test_the_distance_is_the_energy_of_the_cells_that_the_plan_starts_from(setup) -> None:
    state = setup.origin.start.mean(dim=0)
    expected = float((state - setup.goal.mean).abs().mean())
    assert setup.distance(setup.mean) == pytest.approx(expected, rel=1e-5)
    assert setup.distance(setup.population) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("energy", ["latent", "expression", "energy-distance"])
@pytest.mark.parametrize("mode", ["mean-shift", "population"])
def test_every_energy_scores_in_every_mode(setup, energy: str, mode: str) -> None:
    other = replace(setup, search=replace(setup.search, energy=energy, mode=mode))
    scores = other.searched(np.array([[0, 1], [2, -1]]))
    assert np.isfinite(scores.energy).all()
    assert (scores.energy > 0).all()
    assert other.energy


def test_a_latent_has_no_expression(model, data) -> None:
    with pytest.raises(ConfigError, match="'expression' needs cells with counts"):
        prepared(
            model, np.ones(8), Departure(), Constraints(), Search(energy="expression"), data
        )  # fmt: skip


def test_a_goal_that_is_the_start_is_refused(model, data, adata) -> None:
    same = adata[adata.obs["perturbation"] == "ctrl"].copy()
    with pytest.raises(DataError, match="there is nothing to reach"):
        prepared(model, same, Departure(), Constraints(), Search(), data)


@pytest.mark.parametrize(
    ("goal", "energy"),
    [
        ("C+D", "expression"),
        (np.ones(8), "latent"),
        ({"gene2": 1.0}, "expression"),
        (Direction("A", "B"), "expression"),
    ],
)
def test_goals_with_counts_are_compared_in_expression(model, data, goal, energy: str) -> None:
    made = prepared(model, goal, Departure(), Constraints(), Search(cells=8), data)
    assert made.search.energy == energy
    assert has_counts(made.goal) == (energy == "expression")
