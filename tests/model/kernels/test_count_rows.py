from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

pytest.importorskip("numba")

from gpjepa.model.kernels import count_rows

GENES, TABLE = 40, 16
THETA = np.logspace(-2, 3, GENES).astype(np.float32)


def tables() -> tuple[np.ndarray, np.ndarray]:
    gain, rise = (np.empty((TABLE, GENES), np.float32) for _ in range(2))
    constant = special.gammaln(np.arange(TABLE) + 1.0).astype(np.float32)
    count_rows.tabulate(THETA, constant, gain, rise)
    return gain, rise


def test_tabulated_gains_are_differences_of_log_gamma() -> None:
    gain, rise = tables()
    for k in range(TABLE):
        expected = special.gammaln(THETA.astype(float) + k) - special.gammaln(THETA.astype(float))
        expected -= special.gammaln(k + 1.0)
        np.testing.assert_allclose(gain[k], expected, rtol=1e-5, atol=2e-5)
        slope = special.digamma(THETA.astype(float) + k) - special.digamma(THETA.astype(float))
        np.testing.assert_allclose(rise[k], slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 300, 20_000])
def test_counts_inside_and_beyond_the_table_have_scipys_likelihood(count) -> None:
    share = np.full((1, GENES), 1.0 / GENES, np.float32)
    library = np.array([GENES * 4.0], np.float32)
    counts = np.full(GENES, count, np.float32)
    starts, genes = np.array([0, GENES]), np.arange(GENES, dtype=np.int32)
    total, slope = np.empty(1, np.float32), np.empty((1, GENES), np.float32)
    by_gene = np.zeros(GENES, np.float32)
    given = (share, library, THETA, 1.0 / THETA, *tables(), starts, genes, counts, 1, 0, 1)
    count_rows.likelihood(*given, total, slope, 0, by_gene)
    theta = THETA.astype(float)
    expected = stats.nbinom.logpmf(count, theta, theta / (theta + 4.0)).sum()
    assert float(total[0]) == pytest.approx(expected, rel=2e-6)
    step = 1e-4 * theta
    above, below = (
        stats.nbinom.logpmf(count, t, t / (t + 4.0)) for t in (theta + step, theta - step)
    )
    np.testing.assert_allclose(by_gene, (above - below) / (2 * step), rtol=1e-3, atol=1e-3)
    again, none = (np.empty(1, np.float32), np.empty((0, GENES), np.float32)), by_gene.copy()
    count_rows.likelihood(*given, *again, 1, none)
    np.testing.assert_array_equal(share, slope)
