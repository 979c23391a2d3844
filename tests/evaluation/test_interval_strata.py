"""Strata are chosen by what was predicted, so that a calibrated forecast covers in each."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.interval_strata import (
    STRATUM_METRICS,
    coverage_by_perturbation,
    strata,
    stratum_rows,
)
from gpjepa.evaluation.interval_table import EffectIntervals, normal_intervals
from gpjepa.evaluation.intervals import LEVELS


def _calibrated(perturbations: int, sd: float = 0.4) -> tuple[EffectIntervals, np.ndarray]:
    """Return forecasts of effects of very different sizes that deserve their error bars."""
    rng = np.random.default_rng(0)
    size = rng.uniform(0.0, 1.0, size=(perturbations, 1))
    effect = size * rng.normal(size=(perturbations, 200))
    given = normal_intervals(effect, np.full(effect.shape, sd))
    return given, effect + sd * rng.normal(size=effect.shape)


def test_thirds_hold_every_perturbation_once_in_the_order_of_predicted_size() -> None:
    given, _ = _calibrated(20)
    found = strata(given)
    assert list(found) == ["all", "small", "medium", "large", "moved"]
    thirds = np.stack([found[name].any(1) for name in ("small", "medium", "large")])
    np.testing.assert_array_equal(thirds.sum(0), 1)
    length = np.linalg.norm(given.effect, axis=1)
    assert length[thirds[0]].max() < length[thirds[1]].min()
    assert length[thirds[1]].max() < length[thirds[2]].min()


def test_the_moved_genes_are_those_predicted_to_move_most() -> None:
    given, _ = _calibrated(12)
    moved = strata(given)["moved"]
    np.testing.assert_array_equal(moved.sum(1), 20)
    size = np.abs(given.effect)
    for row, mask in zip(size, moved, strict=True):
        assert row[mask].min() >= row[~mask].max()


def test_few_perturbations_are_not_cut_and_few_genes_have_no_top() -> None:
    given, _ = _calibrated(8)
    assert list(strata(given)) == ["all", "moved"]
    narrow = normal_intervals(given.effect[:, :4], np.ones((8, 4)))
    assert list(strata(narrow)) == ["all"]


def test_a_calibrated_forecast_covers_in_every_stratum() -> None:
    given, observed = _calibrated(60)
    rows = stratum_rows(given, given.scores(observed), "ours", seed=0)
    assert set(rows["metric"]) == {metric.name for metric in STRATUM_METRICS}
    for metric in STRATUM_METRICS:
        value = rows.loc[rows["metric"] == metric.name, "value"].item()
        assert value == pytest.approx(metric.best, abs=0.045), metric.name


def test_by_the_observed_size_the_same_forecast_would_look_overconfident() -> None:
    given, observed = _calibrated(60)
    largest = np.argsort(-np.abs(observed), axis=1)[:, :20]
    mask = np.zeros(observed.shape, dtype=bool)
    np.put_along_axis(mask, largest, True, axis=1)
    covered = coverage_by_perturbation(given.scores(observed), mask, (0.9,))
    assert covered.mean() < 0.87


def test_an_error_bar_that_is_too_short_for_large_effects_is_found_there() -> None:
    given, observed = _calibrated(60)
    wrong = given.effect + (observed - given.effect) * (1 + 2 * strata(given)["large"])
    rows = stratum_rows(given, given.scores(wrong), "ours", seed=0).set_index("metric")
    assert rows.loc["coverage_90_large", "value"] < 0.5
    assert rows.loc["coverage_90_small", "value"] > 0.87
    assert rows.loc["coverage_90_large", "high"] < rows.loc["coverage_90_small", "low"]


def test_coverage_counts_only_what_a_mask_holds() -> None:
    scores = np.array([[0.0, 9.0, 9.0], [0.0, 0.0, 9.0]])
    mask = np.array([[True, True, False], [False, False, False]])
    covered = coverage_by_perturbation(scores, mask, LEVELS)
    np.testing.assert_array_equal(covered, np.full((len(LEVELS), 1), 0.5))
