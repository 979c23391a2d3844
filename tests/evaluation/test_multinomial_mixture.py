"""A mixture of multinomials finds the kinds of cells that there are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from gpjepa.evaluation.multinomial_mixture import SMOOTHING, fit_mixture


@pytest.fixture(scope="module")
def kinds() -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rates = rng.dirichlet(np.full(30, 0.5), size=3)
    truth = rng.integers(0, 3, 300)
    depth = rng.integers(100, 400, 300)
    counts = np.stack([rng.multinomial(n, rates[k]) for n, k in zip(depth, truth, strict=True)])
    return sparse.csr_matrix(counts.astype(np.float32)), truth, rates


def test_kinds_are_told_apart_and_their_profiles_recovered(kinds) -> None:
    counts, truth, rates = kinds
    mixture = fit_mixture(counts, np.random.default_rng(1), components=6)
    found = mixture.coordinates(counts).argmax(1)
    for kind in range(3):
        own = found[truth == kind]
        assert len(set(own) & set(found[truth != kind])) == 0
        mean = np.exp(mixture.log_rate[own]).mean(0)
        assert np.abs(mean - rates[kind]).sum() < 0.1


def test_the_penalised_likelihood_never_falls_and_is_that_of_scipy(kinds) -> None:
    counts, _, _ = kinds
    mixture = fit_mixture(counts, np.random.default_rng(1), components=4)
    assert len(mixture.likelihood) > 2
    assert (np.diff(mixture.likelihood) >= -1e-12).all()
    dense = counts.toarray()
    rate, weight = np.exp(mixture.log_rate), np.exp(mixture.log_weight)
    full = np.stack([stats.multinomial(dense.sum(1), p).logpmf(dense) for p in rate])
    ways = full[0] - dense @ mixture.log_rate[0]
    joint = np.logaddexp.reduce(full - ways + np.log(weight)[:, None], axis=0).sum()
    pooled = dense.sum(0)
    penalty = SMOOTHING * (mixture.log_rate @ (pooled / pooled.sum())).sum()
    assert mixture.likelihood[-1] == pytest.approx((joint + penalty) / dense.sum(), abs=1e-4)


def test_coordinates_do_not_depend_on_depth_and_empty_cells_are_in_the_middle(kinds) -> None:
    counts, _, _ = kinds
    mixture = fit_mixture(counts, np.random.default_rng(1))
    assert mixture.coordinates(counts).shape == (300, 40)
    np.testing.assert_allclose(mixture.coordinates(3 * counts), mixture.coordinates(counts))
    np.testing.assert_array_equal(mixture.coordinates(0 * counts), 0.0)
