"""Robust fits of doubles by singles and distance correlations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import TheilSenRegressor

from gpjepa.core.errors import DataError
from gpjepa.evaluation.interaction_measures import (
    distance_correlation,
    gene_pairs,
    interaction_measures,
    spatial_median,
    theil_sen,
)


def effects(genes: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(2, genes)), draw.normal(scale=0.2, size=genes)


def test_coefficients_are_recovered_although_a_fifth_of_the_genes_are_outliers():
    (first, second), noise = effects(100)
    double = 0.6 * first + 1.1 * second + 0.1 * noise
    double[:20] += 15.0
    found = theil_sen(first, second, double, gene_pairs(100))
    np.testing.assert_allclose(found, (0.6, 1.1), atol=0.08)
    least_squares = np.linalg.lstsq(np.stack([first, second], 1), double, rcond=None)[0]
    assert np.abs(least_squares - (0.6, 1.1)).max() > 0.3


def test_the_fit_is_sklearns_theil_sen():
    (first, second), noise = effects(25)
    double = 0.5 * first + 0.9 * second + noise
    regressor = TheilSenRegressor(fit_intercept=False, max_subpopulation=10_000, tol=1e-8)
    expected = regressor.set_params(max_iter=10_000).fit(np.stack([first, second], 1), double).coef_
    found = theil_sen(first, second, double, gene_pairs(25))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_spatial_median_has_the_smallest_sum_of_distances():
    x, y = np.random.default_rng(2).standard_cauchy(size=(2, 60))

    def total(point: np.ndarray) -> float:
        return float(np.hypot(x - point[0], y - point[1]).sum())

    best = minimize(total, [np.median(x), np.median(y)], method="Nelder-Mead", tol=1e-10)
    np.testing.assert_allclose(spatial_median(x, y), best.x, atol=1e-6)


def test_many_genes_are_all_in_equally_many_subsets():
    left, right = gene_pairs(900)
    assert len(left) <= 100_000
    assert (left != right).all()
    assert len({frozenset(pair) for pair in zip(left, right, strict=True)}) == len(left)
    assert len(set(np.bincount(np.concatenate([left, right])))) == 1


def brute_distance_correlation(left: np.ndarray, right: np.ndarray) -> float:
    def doubly_centred(sample: np.ndarray) -> np.ndarray:
        count = len(sample)
        away = np.array([[np.linalg.norm(a - b) for b in sample] for a in sample])
        result = np.empty((count, count))
        for i in range(count):
            for j in range(count):
                result[i, j] = away[i, j] - away[i].mean() - away[:, j].mean() + away.mean()
        return result

    a, b = doubly_centred(left), doubly_centred(right)
    return float(np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())))


def test_distance_correlation_is_the_formula():
    (first, second), noise = effects(15)
    both, double = np.stack([first, second], axis=1), first * second + noise
    expected = brute_distance_correlation(both, double[:, None])
    assert distance_correlation(both, double) == pytest.approx(expected)


def test_distance_correlation_sees_what_pearson_does_not_and_is_one_for_a_shift():
    x = np.linspace(-1, 1, 101)
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 1e-12
    assert distance_correlation(x, x**2) > 0.4
    assert distance_correlation(x, 3 - 2 * x) == pytest.approx(1.0)
    assert distance_correlation(x, np.ones(101)) == 0.0


def test_a_sum_has_magnitude_root_two_and_fits_perfectly():
    singles, _ = effects()
    found = interaction_measures(singles[None], singles.sum(axis=0)[None])
    assert found.magnitude[0] == pytest.approx(np.sqrt(2))
    assert found.fit_correlation[0] == pytest.approx(1.0)
    assert found.fit_distance_correlation[0] == pytest.approx(1.0)
    assert found.dominance[0] == pytest.approx(0.0, abs=1e-9)


def test_a_member_that_takes_over_dominates_and_contributes_unequally():
    singles, noise = effects()
    found = interaction_measures(singles[None], (singles[1] + 0.1 * noise)[None])
    assert found.second[0] == pytest.approx(1.0, abs=0.05)
    assert found.dominance[0] > 1.0
    assert found.equality[0] < 0.5
    assert found.dominance[0] == pytest.approx(
        abs(np.log10(abs(found.first[0]) / abs(found.second[0])))
    )


def test_the_order_of_the_members_is_irrelevant():
    singles, noise = effects()
    double = (0.5 * singles[0] + singles[1] + noise)[None]
    here, there = (interaction_measures(s[None], double) for s in (singles, singles[::-1]))
    for name in ("magnitude", "fit_correlation", "similarity", "equality", "dominance"):
        np.testing.assert_allclose(getattr(here, name), getattr(there, name), rtol=1e-6)


def test_no_effect_has_no_magnitude_and_a_nan_no_measure():
    singles, noise = effects()
    doubles = np.stack([np.zeros(40), np.where(np.arange(40) == 3, np.nan, noise)])
    found = interaction_measures(np.stack([singles, singles]), doubles)
    assert found.magnitude[0] == found.similarity[0] == found.dominance[0] == 0.0
    assert found.equality[0] == 1.0
    assert np.isnan([found.magnitude[1], found.similarity[1], found.equality[1]]).all()


def test_singles_that_do_nothing_fit_nothing():
    _, noise = effects()
    found = interaction_measures(np.zeros((1, 2, 40)), noise[None])
    assert (found.first[0], found.second[0], found.fit_correlation[0]) == (0.0, 0.0, 0.0)


def test_shapes_that_do_not_go_together_are_refused():
    with pytest.raises(DataError, match="at least 3 genes"):
        interaction_measures(np.zeros((1, 2, 2)), np.zeros((1, 2)))
    with pytest.raises(DataError, match="pairs, 2"):
        interaction_measures(np.zeros((1, 3, 5)), np.zeros((1, 5)))
