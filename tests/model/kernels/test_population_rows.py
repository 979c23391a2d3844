from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("numba")

from gpjepa.model.kernels import population_rows

CELLS = 40_000


@pytest.mark.parametrize(("mean", "theta"), [(0.02, 0.3), (3.0, 0.7), (20.0, 5.0), (400.0, 2.0)])
def test_gains_follow_the_negative_binomial(mean, theta) -> None:
    counts, ratio = np.zeros((CELLS, 1), np.float32), np.full((CELLS, 1), 2.0, np.float32)
    rate, out = np.full((CELLS, 1), mean, np.float32), np.empty((CELLS, 1), np.float32)
    factor, size = np.ones(1, np.float32), np.array([theta], np.float32)
    seeds = np.random.default_rng(0).integers(2**62, size=CELLS)
    population_rows.changed(counts, ratio, rate, factor, size, seeds, 0, CELLS, out)
    expected = stats.nbinom(theta, theta / (theta + mean))
    edges = np.unique(expected.ppf(np.linspace(0.02, 0.98, 13)))
    shares = np.diff(np.concatenate(([0.0], expected.cdf(edges), [1.0])))
    found = np.histogram(out[:, 0], np.concatenate(([-np.inf], edges + 0.5, [np.inf])))[0]
    assert stats.chisquare(found[shares > 0], shares[shares > 0] * CELLS).pvalue > 1e-3


def test_losses_keep_each_count_with_the_ratio() -> None:
    counts = np.full((CELLS, 1), 9.0, np.float32)
    ratio, rate = np.full_like(counts, 0.3), np.full_like(counts, 9.0)
    out, one = np.empty_like(counts), np.ones(1, np.float32)
    seeds = np.random.default_rng(1).integers(2**62, size=CELLS)
    population_rows.changed(counts, ratio, rate, one, one, seeds, 0, CELLS, out)
    expected = stats.binom(9, 0.3).pmf(np.arange(10)) * CELLS
    found = np.bincount(out[:, 0].astype(int), minlength=10)
    pooled = [np.append(x[:7], x[7:].sum()) for x in (found, expected)]
    assert stats.chisquare(*pooled).pvalue > 1e-3
    assert abs(out.mean() - 2.7) < 4.5 * np.sqrt(9 * 0.21 / CELLS)
    assert abs(out.var() - 9 * 0.21) < 0.06


def test_cells_do_not_depend_on_which_others_are_drawn() -> None:
    rng = np.random.default_rng(2)
    counts = rng.poisson(2.0, (60, 30)).astype(np.float32)
    ratio = np.exp(rng.normal(size=(60, 30))).astype(np.float32)
    seeds, one = rng.integers(2**62, size=60), np.ones(30, np.float32)
    whole, part = np.empty_like(counts), np.empty_like(counts)
    population_rows.changed(counts, ratio, counts + 1, one, one, seeds, 0, 60, whole)
    for first in range(0, 60, 7):
        last = min(first + 7, 60)
        population_rows.changed(counts, ratio, counts + 1, one, one, seeds, first, last, part)
    assert np.array_equal(whole, part)
    assert not np.array_equal(whole[0], counts[0])
