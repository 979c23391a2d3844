from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from gpjepa.inference.cells import CellTable
from gpjepa.model.encoder import CellEncoder
from gpjepa.model.genes import GeneScaling
from gpjepa.training.cells import (
    coexpression_blocks,
    gene_moments,
    log_expression,
    start_from_coexpression,
)


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


def structured(genes: int = 40, programmes: int = 3) -> CellTable:
    """Return cells in which a few programmes of genes vary, each less than the one before."""
    rng = np.random.default_rng(0)
    strength = np.linspace(1.2, 0.5, programmes)
    activity = rng.normal(size=(400, programmes)) * strength
    loading = np.zeros((programmes, genes))
    loading[np.arange(genes) % programmes, np.arange(genes)] = 1.0
    return table(rng.poisson(8.0 * np.exp(activity @ loading)))


def started(cells: CellTable, seed: int = 0, hidden: int = 128, latent: int = 32) -> CellEncoder:
    """Return an encoder of random parameters, the same for every seed, after the start."""
    moments = gene_moments(cells, has_rest=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        scaling = GeneScaling(moments.mean, moments.deviation, moments.target)
        encoder = CellEncoder(scaling, latent, hidden, layers=2)
    start_from_coexpression(encoder, cells, seed)
    return encoder


def inputs(cells: CellTable) -> tuple[torch.Tensor, torch.Tensor]:
    counts = torch.from_numpy(cells.counts.toarray())
    return counts, torch.from_numpy(cells.library.astype(np.float32))


def test_the_first_latent_dimensions_start_as_the_principal_axes() -> None:
    cells = structured()
    encoder = started(cells)
    counts, library = inputs(cells)
    with torch.no_grad():
        latent = encoder(counts, library).numpy()
        seen = encoder.scaling(counts, library).numpy()
    _, _, axes = np.linalg.svd(seen - seen.mean(axis=0), full_matrices=False)
    scores = seen @ axes[:3].T
    for axis in range(3):
        assert abs(np.corrcoef(latent[:, axis], scores[:, axis])[0, 1]) > 0.9


def test_the_first_unit_starts_with_a_deviation_of_4_and_later_ones_in_proportion() -> None:
    cells = structured()
    encoder = started(cells)
    counts, library = inputs(cells)
    with torch.no_grad():
        seen = encoder.scaling(counts, library)
        units = encoder.embed(seen).numpy().std(axis=0)
    singular = np.linalg.svd((seen - seen.mean(0)).numpy(), compute_uv=False)
    assert np.allclose(units[:3], 4.0 * singular[:3] / singular[0], rtol=0.02)


def test_the_start_is_the_same_for_a_seed() -> None:
    cells = structured()
    one, other = started(cells, 3).state_dict(), started(cells, 3).state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize(("genes", "programmes"), [(5, 2), (2, 1), (1, 1)])
def test_fewer_genes_than_units_start_too(genes: int, programmes: int) -> None:
    cells = structured(genes, programmes)
    with torch.no_grad():
        latent = started(cells)(*inputs(cells))
    assert torch.isfinite(latent).all()
    assert float(latent.std(dim=0).max()) > 0.1
