"""Intervals of effects: a perfect model is calibrated once the truth's own error is counted."""

from __future__ import annotations

import numpy as np
import pytest
import scoringrules
from scipy import stats

from gpjepa.evaluation.interval_table import EffectIntervals, normal_intervals
from gpjepa.evaluation.intervals import (
    INTERVAL_METRICS,
    POOLED_METRICS,
    interval_score_ratio,
    pit_of_effects,
    score_intervals,
    score_pooled,
    uniform_distance,
)

ROW = {metric.name: index for index, metric in enumerate(INTERVAL_METRICS)}


def _simulated(
    overconfidence: float = 1.0, bias: float = 0.0
) -> tuple[EffectIntervals, np.ndarray, np.ndarray]:
    """Return a normal forecaster that knows its errors, or claims less of them; 40 x 500."""
    rng = np.random.default_rng(0)
    sd = np.repeat(rng.uniform(0.1, 0.6, size=(40, 1)), 500, axis=1)
    se = rng.uniform(0.1, 0.4, size=(40, 500))
    effect = rng.normal(size=(40, 500))
    observed = effect + rng.normal(size=effect.shape) * sd + rng.normal(size=effect.shape) * se
    return normal_intervals(effect + bias, sd / overconfidence), observed, se


def test_a_perfect_model_covers_every_level_and_has_spread_skill_one() -> None:
    given, observed, se = _simulated()
    scores = score_intervals(given, observed, se).mean(1)
    for level in (50, 80, 90, 95):
        assert scores[ROW[f"coverage_{level}"]] == pytest.approx(level / 100, abs=0.015)
    assert scores[ROW["spread_skill"]] == pytest.approx(1.0, abs=0.05)


def test_without_the_truths_own_error_a_perfect_model_looks_overconfident() -> None:
    given, observed, se = _simulated()
    naive = score_intervals(given, observed, np.zeros_like(se)).mean(1)
    assert naive[ROW["coverage_90"]] < 0.8


def test_an_overconfident_model_is_found_out_by_coverage_and_by_proper_scores() -> None:
    given, observed, se = _simulated()
    narrow = _simulated(overconfidence=4.0)[0]
    fair, bold = (score_intervals(each, observed, se).mean(1) for each in (given, narrow))
    assert bold[ROW["coverage_90"]] < 0.8
    assert bold[ROW["sharpness_90"]] < fair[ROW["sharpness_90"]]
    for name in ("crps", "interval_score_90"):
        assert bold[ROW[name]] > fair[ROW[name]]


def test_scores_equal_scoringrules() -> None:
    given, observed, se = _simulated()
    total = given.spread(se)
    scores = score_intervals(given, observed, se)
    expected = scoringrules.crps_normal(observed, given.effect, total).mean(1)
    np.testing.assert_allclose(scores[ROW["crps"]], expected)
    z = stats.norm.ppf(0.95)
    expected = scoringrules.interval_score(
        observed, given.effect - z * total, given.effect + z * total, 0.1
    )
    np.testing.assert_allclose(scores[ROW["interval_score_90"]], expected.mean(1))


def test_uncertainty_that_follows_the_error_is_seen_over_perturbations() -> None:
    given, observed, se = _simulated()
    rank, width = score_pooled(given, observed, se)[:2]
    assert rank > 0.8
    total = given.spread(se)
    assert width == pytest.approx(2 * stats.norm.ppf(0.95) * total.mean(), rel=0.05)
    assert np.isnan(score_pooled(given.take(np.arange(40) < 2), observed[:2], se[:2])[0])


def test_a_nan_is_the_worst_value_and_an_unknown_standard_error_is_undefined() -> None:
    given, observed, se = _simulated()
    given.effect[3, 7] = np.nan
    se[5] = np.nan
    scores = score_intervals(given, observed, se)
    for metric, values in zip(INTERVAL_METRICS, scores, strict=True):
        assert values[3] == metric.worst
        assert np.isnan(values[5])
        assert np.isfinite(np.delete(values, [3, 5])).all()
    pooled = score_pooled(given, observed, se)
    np.testing.assert_array_equal(pooled, [metric.worst for metric in POOLED_METRICS])


def test_the_pit_of_a_calibrated_forecaster_is_flat() -> None:
    given, observed, se = _simulated()
    counts = np.histogram(pit_of_effects(given, observed, se), bins=20, range=(0, 1))[0]
    assert stats.chisquare(counts).pvalue > 0.001
    assert score_pooled(given, observed, se)[3] < 0.015


def test_the_pit_tells_overconfidence_from_caution_and_from_bias() -> None:
    shares = {}
    for name, shape in {"bold": (3.0, 0.0), "timid": (0.3, 0.0), "biased": (1.0, 0.4)}.items():
        given, observed, se = _simulated(*shape)
        counts = np.histogram(pit_of_effects(given, observed, se), bins=10, range=(0, 1))[0]
        shares[name] = counts / counts.sum()
    assert shares["bold"][0] + shares["bold"][-1] > 0.3
    assert shares["timid"][0] + shares["timid"][-1] < 0.05
    assert shares["biased"][0] > 2 * shares["biased"][-1]


def test_the_distance_from_uniform_is_kolmogorovs() -> None:
    values = np.random.default_rng(3).beta(0.5, 0.6, size=(7, 90))
    expected = stats.kstest(values.ravel(), "uniform").statistic
    assert uniform_distance(values) == pytest.approx(expected)


def test_widths_that_follow_the_error_beat_one_width_of_the_same_coverage() -> None:
    given, observed, se = _simulated()
    assert interval_score_ratio(given, observed, se) < 0.93
    constant = normal_intervals(given.effect, np.full(given.effect.shape, 0.37))
    assert interval_score_ratio(constant, observed, se) == pytest.approx(1.0, abs=1e-3)
    shuffled = normal_intervals(given.effect, given.below[0][::-1])
    assert interval_score_ratio(shuffled, observed, se) > 1.05


def test_a_known_error_of_the_observation_is_no_merit_of_the_widths() -> None:
    rng = np.random.default_rng(1)
    se = rng.uniform(0.05, 1.0, size=(20, 300))
    effect = rng.normal(size=se.shape)
    observed = effect + rng.normal(size=se.shape) * np.hypot(se, 0.2)
    given = normal_intervals(effect, np.full(se.shape, 0.2))
    assert interval_score_ratio(given, observed, se) == pytest.approx(1.0, abs=1e-3)
