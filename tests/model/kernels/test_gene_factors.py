from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("numba")

from gpjepa.model.kernels import gene_factors, tile_counts
from gpjepa.model.sparse_counts import sparse_of


def made(rows: int, genes: int):
    rng = np.random.default_rng(3)
    before = np.exp(rng.normal(-1.0, 1.0, (rows, genes))).astype(np.float32)
    after = (before * np.exp(rng.normal(0.2, 0.7, (rows, genes)))).astype(np.float32)
    theta = np.exp(rng.normal(size=genes)).astype(np.float32)
    counts = rng.poisson(1.3 * before).astype(np.float32)
    return counts, before, after, theta


def balanced(counts, before, after, theta, edges, rounds: int = 30, seed: int = 0):
    """Return factors of all tiles' genes, what else `balance` writes, and gains of each piece."""
    sparse = sparse_of(torch.from_numpy(counts))
    rows, genes = counts.shape
    tiles, number = -(-genes // gene_factors.TILE), len(sparse.gene)
    given = np.zeros(tiles + 1, np.int64), np.empty((number, 3), np.uint32)
    tile_counts.by_tile(*sparse.arrays(), sparse.value.numpy(), *given)
    none = np.empty((0, 0, 0), np.float32)
    rates = [(each[None], none, none, none) for each in (before, after)]
    factor = np.empty((1, tiles * gene_factors.TILE), np.float32)
    told = np.empty((1, number), np.float32), np.empty(number, np.float32)
    seeds = np.random.default_rng(seed).integers(2**62, size=(1, rows))
    read = (given, *rates, none, theta, seeds)
    rule = (np.float32(0.5), rounds, np.float32(1e-6))
    gains = [gene_factors.balance(*read, *edge, *rule, factor, *told) for edge in edges]
    return factor[0], told[0][0], told[1], gains


def test_expected_sums_become_those_wanted_with_the_prior_counts() -> None:
    counts, before, after, theta = made(90, 300)
    factor = balanced(counts, before, after, theta, [(0, 10)])[0][:300]
    rate = before * (theta + counts) / (theta + before)
    ratio = factor * after / before
    expected = np.where(ratio < 1.0, counts * ratio, counts + (ratio - 1.0) * rate).sum(axis=0)
    np.testing.assert_allclose(expected + 0.5 * factor, after.sum(axis=0) + 0.5, rtol=1e-4)
    assert factor.std() > 0.01


def test_draws_are_told_of_what_changes() -> None:
    counts, before, after, theta = made(50, 70)  # the last tile is not full
    factor, by, rate, _ = balanced(counts, before, after, theta, [(0, 3)])
    low, ratio = before * theta / (theta + before), factor[:70] * after / before
    np.testing.assert_allclose(by, ratio[counts > 0], rtol=1e-5)
    np.testing.assert_allclose(rate, low[counts > 0], rtol=1e-5)


def test_genes_without_a_count_gain_what_is_expected_of_them() -> None:
    counts, before, after, theta = made(400, 70)
    drawn = np.zeros((400, 70))
    for seed in range(30):
        factor, *_, gains = balanced(counts, before, after, theta, [(0, 2), (2, 3)], seed=seed)
        for cells, genes, values in gains:
            assert (counts[cells, genes] == 0).all()
            drawn[cells, genes] += values / 30
    low, ratio = before * theta / (theta + before), factor[:70] * after / before
    expected = np.where(counts > 0, 0.0, np.maximum(ratio - 1.0, 0.0) * low)
    assert not drawn[expected == 0.0].any()
    variance = (expected + expected**2 / theta).sum(axis=0) / 30
    off = (drawn - expected).sum(axis=0) / np.sqrt(variance)
    assert np.abs(off).max() < 4.0
    assert 0.7 < off.std() < 1.3


def test_genes_do_not_depend_on_which_are_taken_together() -> None:
    given = made(40, 300)
    whole, parts = balanced(*given, [(0, 10)]), balanced(*given, [(4, 10), (0, 4)])
    for one, other in zip(whole[:3], parts[:3], strict=True):
        assert np.array_equal(one, other)
