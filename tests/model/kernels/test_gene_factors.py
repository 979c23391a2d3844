from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("numba")

from gpjepa.model.kernels import gene_factors
from gpjepa.model.sparse_counts import sparse_of


def made(rows: int, genes: int):
    rng = np.random.default_rng(3)
    before = np.exp(rng.normal(-1.0, 1.0, (rows, genes))).astype(np.float32)
    after = (before * np.exp(rng.normal(0.2, 0.7, (rows, genes)))).astype(np.float32)
    theta = np.exp(rng.normal(size=genes)).astype(np.float32)
    counts = rng.poisson(1.3 * before).astype(np.float32)
    return counts, before, after, theta


def balanced(counts, before, after, theta, edges, rounds: int = 30):
    sparse = sparse_of(torch.from_numpy(counts))
    given = (before, after, theta, *sparse.arrays(), sparse.value.numpy())
    factor = np.empty_like(theta)
    for first, last in edges:
        gene_factors.balance(*given, first, last, np.float32(0.5), rounds, np.float32(1e-6), factor)
    return factor


def test_expected_sums_become_those_wanted_with_the_prior_counts() -> None:
    counts, before, after, theta = made(90, 300)
    factor = balanced(counts, before, after, theta, [(0, 300)])
    rate = before * (theta + counts) / (theta + before)
    ratio = factor * after / before
    expected = np.where(ratio < 1.0, counts * ratio, counts + (ratio - 1.0) * rate).sum(axis=0)
    np.testing.assert_allclose(expected + 0.5 * factor, after.sum(axis=0) + 0.5, rtol=1e-4)
    assert factor.std() > 0.01


def test_genes_do_not_depend_on_which_are_taken_together() -> None:
    given = made(40, 300)
    whole = balanced(*given, [(0, 300)])
    parts = balanced(*given, [(128, 300), (0, 128)])
    assert np.array_equal(whole, parts)
