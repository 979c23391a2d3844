"""Distances between populations against loops, scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.spatial.distance import cdist

from gpjepa.evaluation.distances import (
    count_distances,
    energy_distance,
    mmd,
    pairwise_distances,
)


def test_pairwise_distances_equal_those_of_scipy_far_from_the_origin():
    points = np.random.default_rng(0).normal(50, 1, size=(30, 7))
    np.testing.assert_allclose(pairwise_distances(points), cdist(points, points), atol=1e-4)


def test_energy_distance_equals_the_sum_over_all_pairs():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(9, 4)), rng.normal(0.5, 2, size=(9, 4))
    mean = {
        "xy": np.mean([np.linalg.norm(a - b) for a in first for b in second]),
        "xx": np.mean([np.linalg.norm(a - b) for a in first for b in first]),
        "yy": np.mean([np.linalg.norm(a - b) for a in second for b in second]),
    }
    value = energy_distance(pairwise_distances(np.vstack([first, second])), 9)
    assert value == pytest.approx(2 * mean["xy"] - mean["xx"] - mean["yy"], abs=1e-5)


def test_energy_distance_in_one_dimension_is_twice_the_cramer_distance():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=40), rng.gamma(2.0, size=40)
    value = energy_distance(pairwise_distances(np.concatenate([first, second])[:, None]), 40)
    assert value == pytest.approx(stats.energy_distance(first, second) ** 2, abs=1e-5)


def test_identical_populations_have_distance_zero():
    points = np.random.default_rng(3).poisson(2.0, size=(20, 5))
    distance = pairwise_distances(np.vstack([points, points]))
    assert energy_distance(distance, 20) == pytest.approx(0.0, abs=1e-5)
    assert mmd(distance, 20) == pytest.approx(0.0, abs=1e-5)


def test_squared_distances_are_blind_to_shape_and_ours_are_not():
    rng = np.random.default_rng(4)
    observed, replicate = rng.normal(size=(2, 300, 6)) * rng.choice([0.2, 2.0], (2, 300, 1))
    collapsed = np.zeros((300, 6)) + observed.mean(axis=0) + 0.05 * rng.normal(size=(300, 6))

    def squared(first: np.ndarray) -> float:
        def mean(a: np.ndarray, b: np.ndarray) -> float:
            return float(cdist(a, b, "sqeuclidean").mean())

        return 2 * mean(first, observed) - mean(first, first) - mean(observed, observed)

    def ours(first: np.ndarray) -> float:
        return energy_distance(pairwise_distances(np.vstack([first, observed])), 300)

    shift = np.square(collapsed.mean(axis=0) - observed.mean(axis=0)).sum()
    assert squared(collapsed) == pytest.approx(2 * shift, rel=1e-6)
    assert squared(collapsed) < squared(replicate)
    assert ours(collapsed) > 10 * ours(replicate)


def test_mmd_equals_the_sum_over_kernels_with_the_observed_median():
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(8, 3)), rng.normal(1, 1, size=(8, 3))
    width = np.median([np.linalg.norm(second[i] - second[j]) for i in range(8) for j in range(i)])

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-0.5 * (cdist(a, b) / width) ** 2).mean())

    square = kernel(first, first) + kernel(second, second) - 2 * kernel(first, second)
    value = mmd(pairwise_distances(np.vstack([first, second])), 8)
    assert value == pytest.approx(np.sqrt(square), abs=1e-5)


@pytest.mark.parametrize("scale", [1, 5, 1000])
def test_count_distances_equal_scipy_gene_by_gene(scale):
    """Tabulated and sorted counts, dense and sparse."""
    rng = np.random.default_rng(6)
    first = scale * rng.poisson([0.1, 1.0, 30.0], size=(50, 3))
    second = scale * rng.poisson([0.3, 1.0, 20.0], size=(50, 3))
    kolmogorov, wasserstein = count_distances(first, second)
    again = count_distances(sparse.csr_matrix(first), sparse.csr_matrix(second))
    np.testing.assert_array_equal(again, [kolmogorov, wasserstein])
    for gene in range(3):
        pair = first[:, gene], second[:, gene]
        expected = stats.wasserstein_distance(*np.log1p(pair))
        assert kolmogorov[gene] == pytest.approx(stats.ks_2samp(*pair).statistic)
        assert wasserstein[gene] == pytest.approx(expected)


def test_kolmogorov_distance_is_that_of_the_randomised_pit():
    rng = np.random.default_rng(7)
    predicted, observed = rng.poisson(1.0, size=(400, 1)), rng.poisson(1.6, size=(400, 1))
    below = np.array([(predicted[:, 0] < value).mean() for value in observed[:, 0]])
    upto = np.array([(predicted[:, 0] <= value).mean() for value in observed[:, 0]])
    pit = below + (upto - below) * rng.random((2000, 400))
    randomised = stats.ks_1samp(pit.ravel(), stats.uniform.cdf).statistic
    assert count_distances(predicted, observed)[0][0] == pytest.approx(randomised, abs=3e-3)
