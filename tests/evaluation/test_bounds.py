"""Floors, split-half ceilings and the scale between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpjepa.evaluation.bounds import (
    Bounds,
    make_bounds,
    replicate_effects,
    replicate_halves,
    replicates,
    skill,
)
from gpjepa.evaluation.effect import pearson
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.pair import make_pair
from gpjepa.evaluation.pseudobulk import pseudobulk

UP = Metric("up", 1.0, -1.0, "higher", "")
DOWN = Metric("down", 0.0, np.inf, "lower", "")
ONE = Metric("one", 1.0, np.inf, "target", "")


def test_halves_of_every_group_differ_by_at_most_one_cell_and_single_cells_are_in_none() -> None:
    codes = np.repeat([0, 1, 2, -1], [10, 7, 1, 4])
    np.random.default_rng(0).shuffle(codes)
    halves = replicate_halves(codes, 3, np.random.default_rng(1))
    for group, size in ((0, 10), (1, 7)):
        counts = np.bincount(halves[codes == group], minlength=2)
        assert counts.sum() == size
        assert abs(counts[0] - counts[1]) <= 1
    assert (halves[(codes == 2) | (codes == -1)] == -1).all()


def test_replicates_are_pseudobulks_of_disjoint_cells_and_disjoint_controls(
    oracle: Any, observed: Any
) -> None:
    pair = make_pair(oracle, observed)
    cells, controls = pair.observed, pair.controls
    (half,) = replicates(cells, controls, pair.perturbations, pair.target, splits=1, seed=3)
    for index, label in enumerate(pair.perturbations):
        mine = np.flatnonzero((cells.labels == label) & (half.cells == 1))
        expected = pseudobulk(cells.counts[mine], cells.library[mine], pair.target)
        np.testing.assert_allclose(half.second[index], expected)
        assert mine.size == 30
    mine = np.flatnonzero(half.control_cells == 0)
    expected = pseudobulk(controls.counts[mine], controls.library[mine], pair.target)
    np.testing.assert_allclose(half.first_control, expected)
    assert mine.size == 75


def test_one_control_for_both_halves_invents_agreement_and_disjoint_controls_do_not(
    screen: Any,
) -> None:
    """Trap: perturbations without any effect; the shared control's noise correlates at .5."""
    labels = {f"N{index}": 40 for index in range(6)}
    naive, ours = [], []
    for seed in range(8):
        null = screen.cells({"control": 40, **labels}, seed=100 + seed)
        pair = make_pair(null[null.obs.perturbation != "control"].copy(), null)
        given = (pair.observed, pair.controls, tuple(labels), pair.target, 3, seed)
        for half in replicates(*given):
            shared = half.first - half.first_control, half.second - half.first_control
            naive.append(pearson(*(effect[:, pair.gated] for effect in shared)))
        effects = replicate_effects(*given)
        ours.append(pearson(effects.first[..., pair.gated], effects.second[..., pair.gated]))
    assert np.mean(naive) > 0.4
    assert abs(np.mean(ours)) < 0.1


def test_the_floor_is_the_better_one_in_each_metrics_own_direction() -> None:
    first, second = np.array([[0.2], [3.0], [0.1]]), np.array([[0.1], [2.0], [1.5]])
    bounds = make_bounds((UP, DOWN, ONE), (first, second), np.ones((4, 3, 1)))
    np.testing.assert_array_equal(bounds.floor.ravel(), [0.2, 2.0, 1.5])


def test_the_ceiling_averages_the_splits_that_are_defined() -> None:
    replicate = np.array([[[0.2, np.nan]], [[0.6, np.nan]], [[np.nan, np.nan]]])
    bounds = make_bounds((UP,), (np.zeros((1, 2)),), replicate)
    np.testing.assert_allclose(bounds.ceiling, [[0.4, np.nan]])
    np.testing.assert_allclose(bounds.low[0], [0.21, np.nan])
    np.testing.assert_allclose(bounds.worst[0], [-0.21, np.nan])


def _bounds(floor: float, ceiling: float, worst: float) -> Bounds:
    one = np.ones((1, 1))
    return Bounds(one * floor, one * ceiling, one, one, one * worst)


@pytest.mark.parametrize(
    ("metric", "floor", "ceiling", "value", "expected"),
    [
        (UP, 0.2, 0.8, 0.5, 0.5),
        (UP, 0.2, 0.8, 1.1, 1.5),
        (UP, 0.2, 0.8, -0.4, -1.0),
        (DOWN, 4.0, 2.0, 3.0, 0.5),
        (ONE, 0.0, 0.8, 1.4, 0.75),
        (UP, 0.2, 0.8, -np.inf, -np.inf),
    ],
)
def test_skill_is_nought_at_the_floor_one_at_the_replicate_and_never_clipped(
    metric: Metric, floor: float, ceiling: float, value: float, expected: float
) -> None:
    bounds = _bounds(floor, ceiling, float(metric.loss(ceiling)))
    assert skill((metric,), np.array([[value]]), bounds)[0, 0] == pytest.approx(expected)


def test_skill_is_undefined_where_the_ceilings_interval_reaches_the_floor() -> None:
    value = np.array([[0.5]])
    assert np.isnan(skill((UP,), value, _bounds(0.2, 0.4, -0.2)))
    assert np.isfinite(skill((UP,), value, _bounds(0.2, 0.4, -0.21)))
    assert np.isnan(skill((UP,), value, _bounds(0.2, np.nan, np.nan)))
