"""Keeping what is trusted most: the oracle's order is the best, a random one keeps the mean."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.risk_coverage import (
    RISK_METRICS,
    rank_correlation,
    risk_coverage,
)

ERROR = np.array([4.0, 1.0, 3.0, 2.0])


def test_the_curve_is_the_mean_error_of_what_is_kept() -> None:
    curve = risk_coverage(ERROR, np.array([0.1, 0.2, 0.3, 0.4]), seed=0)
    np.testing.assert_allclose(curve.share, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve.risk, [4.0, 2.5, 8 / 3, 2.5])
    np.testing.assert_allclose(curve.oracle, [1.0, 1.5, 2.0, 2.5])
    np.testing.assert_allclose(curve.random, 2.5)
    assert curve.area == pytest.approx((4 + 2.5 + 8 / 3 + 2.5) / 4)
    assert curve.oracle_area == pytest.approx(1.75)


def test_skill_is_one_for_the_oracle_and_minus_one_or_less_for_the_reverse() -> None:
    assert risk_coverage(ERROR, ERROR, 0).skill == pytest.approx(1.0)
    assert risk_coverage(ERROR, 10 * ERROR + 3, 0).skill == pytest.approx(1.0)
    assert risk_coverage(ERROR, -ERROR, 0).skill == pytest.approx(-1.0)
    assert np.isnan(risk_coverage(np.ones(4), ERROR, 0).skill)


def test_ties_are_expectations_over_their_orders() -> None:
    doubt = np.array([1.0, 1.0, 2.0, 1.0])
    curve = risk_coverage(ERROR, doubt, seed=0)
    rng = np.random.default_rng(5)
    orders = [np.lexsort((rng.random(4), doubt)) for _ in range(20_000)]
    expected = np.mean([np.cumsum(ERROR[rows]) / np.arange(1, 5) for rows in orders], axis=0)
    np.testing.assert_allclose(curve.risk, expected, atol=0.03)
    assert risk_coverage(ERROR, np.zeros(4), 0).skill == pytest.approx(0.0)


def test_a_doubt_that_knows_nothing_has_no_skill_on_average() -> None:
    rng = np.random.default_rng(0)
    skills = [risk_coverage(rng.gamma(2, 1, 60), rng.random(60), 0).skill for _ in range(40)]
    assert np.mean(skills) == pytest.approx(0.0, abs=4 * np.std(skills) / np.sqrt(40))


def test_the_band_covers_the_area_of_the_population() -> None:
    rng = np.random.default_rng(1)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        sd = rng.uniform(0.1, 1.0, count)
        return np.abs(rng.normal(size=count)) * sd, sd

    true = _area(drawn(200_000))
    inside = 0
    for _ in range(60):
        curve = risk_coverage(*drawn(80), seed=0)
        inside += curve.area_low <= true <= curve.area_high
    assert inside >= 48


def _area(sample: tuple[np.ndarray, np.ndarray]) -> float:
    error, doubt = sample
    kept = error[np.argsort(doubt)]
    return float((np.cumsum(kept) / np.arange(1, kept.size + 1)).mean())


def test_the_same_seed_gives_the_same_band() -> None:
    first, second = (risk_coverage(ERROR, ERROR, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.low, second.low)
    np.testing.assert_array_equal(first.high, second.high)


@pytest.mark.parametrize(
    ("error", "doubt", "message"),
    [
        (ERROR, ERROR[:3], "one of each per perturbation"),
        (ERROR[:0], ERROR[:0], "at least one perturbation"),
        (np.array([1.0, np.nan]), np.ones(2), "not finite"),
        (np.ones(2), np.array([1.0, np.inf]), "not finite"),
    ],
)
def test_what_is_no_order_is_refused(error: np.ndarray, doubt: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        risk_coverage(error, doubt, seed=0)


def test_rank_correlation_is_zero_where_one_side_is_flat() -> None:
    assert rank_correlation(ERROR, np.exp(ERROR)) == pytest.approx(1.0)
    assert rank_correlation(np.ones(4), ERROR) == 0.0
    assert np.isnan(rank_correlation(ERROR[:2], ERROR[:2]))


def test_less_area_is_better() -> None:
    assert {metric.kind for metric in RISK_METRICS} == {"lower"}


def test_rounding_errors_of_one_width_are_no_order() -> None:
    width = 0.3 + np.array([3e-17, 0.0, 5e-17, 1e-16]) * 2
    assert risk_coverage(ERROR, width, 0).skill == pytest.approx(0.0)
