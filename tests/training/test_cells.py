from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from gpjepa.inference.cells import CellTable
from gpjepa.training.cells import coexpression_blocks, gene_moments, log_expression


def table(counts: np.ndarray, library: np.ndarray | None = None) -> CellTable:
    sums = counts.sum(axis=1).astype(float)
    return CellTable(csr_matrix(counts.astype(np.float32)), sums if library is None else library)


COUNTS = np.array([[4, 0, 6], [1, 2, 7], [0, 5, 15]])


def test_expression_is_the_log_of_counts_at_the_target_library() -> None:
    found = log_expression(table(COUNTS), 10.0).toarray()
    assert np.allclose(found, np.log1p(10.0 * COUNTS / COUNTS.sum(axis=1, keepdims=True)))


def test_a_cell_without_counts_has_no_expression() -> None:
    found = log_expression(table(np.zeros((1, 3))), 10.0).toarray()
    assert np.array_equal(found, np.zeros((1, 3)))


def test_moments_are_those_of_the_log_expression_at_the_median_library() -> None:
    found = gene_moments(table(COUNTS), has_rest=False)
    expression = np.log1p(10.0 * COUNTS / COUNTS.sum(axis=1, keepdims=True))
    assert found.target == 10.0
    assert np.allclose(found.mean, expression.mean(axis=0), atol=1e-6)
    assert np.allclose(found.deviation, expression.std(axis=0), atol=1e-6)
    total = COUNTS.sum(axis=0) + 0.5
    assert np.allclose(found.base_rate, total / total.sum())


def test_with_a_rest_the_last_rate_is_what_the_libraries_hold_beyond_the_genes() -> None:
    library = np.array([100.0, 50.0, 150.0])
    found = gene_moments(table(COUNTS, library), has_rest=True)
    assert found.base_rate.shape == (4,)
    assert float(found.base_rate.sum()) == pytest.approx(1.0)
    assert float(found.base_rate[3]) == pytest.approx((300 - 40 - 1.5) / 300, rel=1e-5)


def test_genes_that_go_together_share_a_block() -> None:
    rng = np.random.default_rng(0)
    high = np.exp(rng.normal(0.0, 1.0, (300, 25)))
    high[:, :3] = np.exp(rng.normal(0.0, 1.0, (300, 1)))
    counts = rng.poisson(5.0 * high)
    blocks = coexpression_blocks(table(counts), 100.0, seed=0)
    assert blocks.shape == (25,)
    assert len(set(blocks[:3])) == 1
    assert set(blocks[3:]) - set(blocks[:3])
    assert np.array_equal(blocks, coexpression_blocks(table(counts), 100.0, seed=0))


def test_two_genes_are_one_block() -> None:
    assert np.array_equal(coexpression_blocks(table(COUNTS[:, :2]), 5.0, seed=0), [0, 0])
