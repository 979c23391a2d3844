"""Proper scores against scoringrules, integrals and loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from gpjepa.evaluation.calibration import (
    coverage,
    crps_ensemble,
    crps_normal,
    energy_score,
    interval_score,
    spread_skill,
)


def test_crps_of_a_normal_is_the_integral_of_squared_differences():
    for observed, mean, sd in [(0.3, 0.0, 1.0), (-4.0, 1.0, 0.5)]:
        expected = (
            integrate.quad(lambda x, m=mean, s=sd: stats.norm.cdf(x, m, s) ** 2, -30, observed)[0]
            + integrate.quad(lambda x, m=mean, s=sd: stats.norm.sf(x, m, s) ** 2, observed, 30)[0]
        )
        assert crps_normal(observed, mean, sd) == pytest.approx(expected, abs=1e-6)


def test_crps_without_spread_is_the_absolute_error_and_nan_stays_nan():
    np.testing.assert_allclose(crps_normal([1.0, 2.0], 0.0, 0.0), [1.0, 2.0])
    assert np.isnan(crps_normal(1.0, 0.0, np.nan))


def test_fair_ensemble_crps_equals_the_double_sum_over_pairs():
    rng = np.random.default_rng(0)
    members, observed = rng.normal(size=(3, 7)), rng.normal(size=3)
    for row in range(3):
        pairs = sum(abs(a - b) for a in members[row] for b in members[row])
        expected = np.abs(members[row] - observed[row]).mean() - pairs / (2 * 7 * 6)
        assert crps_ensemble(observed, members)[row] == pytest.approx(expected)


def test_fair_ensemble_crps_does_not_depend_on_the_size_in_expectation():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=40000)
    exact = crps_normal(truth, 0.0, 1.0).mean()
    for size in (2, 10):
        drawn = rng.normal(size=(40000, size))
        assert crps_ensemble(truth, drawn).mean() == pytest.approx(exact, abs=0.012)


def test_energy_score_in_one_dimension_is_the_ensemble_crps():
    rng = np.random.default_rng(2)
    members = rng.normal(size=(9, 1))
    expected = crps_ensemble(np.array(0.4), members[:, 0])
    assert energy_score(np.array([0.4]), members) == pytest.approx(float(expected))


def test_energy_score_sees_the_correlation_that_marginals_do_not():
    rng = np.random.default_rng(3)
    joint = rng.normal(size=(400, 1)) @ np.ones((1, 5))
    shuffled = rng.permuted(joint, axis=0)
    truth = rng.normal(size=(200, 1)) @ np.ones((1, 5))
    means = [np.mean([energy_score(y, sample) for y in truth]) for sample in (joint, shuffled)]
    assert means[0] < means[1]


def test_interval_score_charges_width_and_misses():
    values = interval_score(np.array([1.0, 3.0, -1.0]), np.zeros(3), np.full(3, 2.0), 0.9)
    np.testing.assert_allclose(values, [2.0, 2.0 + 20.0, 2.0 + 20.0])


def test_scores_equal_those_of_scoringrules():
    rules = pytest.importorskip("scoringrules")
    rng = np.random.default_rng(4)
    observed, mean = rng.normal(size=(2, 20))
    sd = rng.gamma(2.0, size=20)
    members = rng.normal(size=(20, 6))
    np.testing.assert_allclose(
        crps_normal(observed, mean, sd), rules.crps_normal(observed, mean, sd)
    )
    np.testing.assert_allclose(
        crps_ensemble(observed, members),
        rules.crps_ensemble(observed, members, estimator="fair", backend="numpy"),
    )
    np.testing.assert_allclose(
        interval_score(observed, mean - sd, mean + sd, 0.8),
        rules.interval_score(observed, mean - sd, mean + sd, 0.2),
    )


def test_coverage_and_spread_skill_recognise_calibration_and_overconfidence():
    rng = np.random.default_rng(5)
    truth = rng.normal(size=20000)
    half = stats.norm.ppf(0.95)
    assert coverage(truth, np.full(20000, -half), np.full(20000, half)) == pytest.approx(
        0.9, abs=0.01
    )
    assert spread_skill(truth, np.zeros(20000), np.ones(20000)) == pytest.approx(1.0, abs=0.03)
    assert spread_skill(truth, np.zeros(20000), np.full(20000, 0.5)) == pytest.approx(4, abs=0.15)
    assert coverage(np.array([1.0, np.nan]), np.zeros(2), np.full(2, 2.0)) == 0.5
    assert spread_skill(np.ones(2), np.zeros(2), np.zeros(2)) == float("inf")
