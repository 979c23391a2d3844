from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("numba")

from gpjepa.model.kernels import gain_rows
from gpjepa.model.kernels.rate_tiles import TILE

CELLS = 20_000


def gained(mean, theta, counts=None, tiles: int = 1, number: int = 1) -> np.ndarray:
    """Return gains [CELLS, tiles · TILE] of equal cells whose genes are to gain `mean` [TILE]."""
    low = np.tile(np.asarray(mean, np.float32), (CELLS, 1))
    ratio = np.full_like(low, 2.0)
    if counts is not None:
        low[:, counts > 0] = 0.0
    one, sizes = np.ones(TILE, np.float32), np.full(TILE, theta, np.float32)
    gain = low.sum(axis=1)
    states, ahead = np.empty(CELLS, np.uint64), np.empty(CELLS)
    gain_rows.begun(np.random.default_rng(0).integers(2**62, size=CELLS), number, states, ahead)
    found, at = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int32)), 0
    for tile in range(tiles):
        given = ((ratio, low), one, sizes, TILE * tile, gain, states, ahead, 0, found, at)
        found, at = gain_rows.gained(*given)
    cells, genes, values = (x[:at] for x in found)
    out = np.zeros((CELLS, tiles * TILE), int)
    out[cells, genes] = values
    assert (values > 0).all()
    assert len(np.unique(cells.astype(np.int64) * tiles * TILE + genes)) == at
    order = np.argsort(cells, kind="stable")
    within = np.diff(genes[order])[np.diff(cells[order]) == 0]
    assert (within > 0).all()  # the genes of a cell come in order
    return out


@pytest.mark.parametrize("theta", [0.2, 3.0])
@pytest.mark.parametrize("mean", [0.01, 0.4, 9.0])
def test_gains_are_negative_binomial_in_each_tile(mean, theta) -> None:
    found = gained(np.full(TILE, mean), theta, tiles=2)
    expected = stats.nbinom(theta, theta / (theta + mean))
    top = int(expected.ppf(0.999)) + 1
    seen = np.bincount(found.ravel().clip(0, top), minlength=top + 1) / found.size
    share = np.append(expected.pmf(np.arange(top)), expected.sf(top - 1))
    error = 4.5 * np.sqrt(share / found.size) + 1e-6
    assert (np.abs(seen - share) < error).all()
    means = found.mean(axis=0)
    assert (np.abs(means - mean) < 4.5 * np.sqrt(expected.var() / CELLS)).all()
    assert np.abs(np.corrcoef(found.T) - np.eye(2 * TILE)).max() < 0.06


def test_genes_with_a_count_gain_nothing_here() -> None:
    counts = np.arange(TILE) % 3
    found = gained(np.linspace(0.01, 6.0, TILE), 1.0, counts)
    assert not found[:, counts > 0].any()
    assert found[:, counts == 0].any(axis=0).all()


def test_streams_of_a_seed_are_not_alike() -> None:
    one, other = (gained(np.full(TILE, 0.5), 1.0, number=number) for number in (1, 2))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.01


def test_gains_are_put_in_the_order_of_cells() -> None:
    cells, genes = np.array([2, 0, 2, 0], np.int32), np.array([1, 2, 5, 7], np.int32)
    starts, to_genes, to_values = np.zeros(4, np.int64), genes.copy(), genes.copy()
    gain_rows.by_cell(cells, genes, 10 * genes, starts, to_genes, to_values)
    assert starts.tolist() == [0, 2, 2, 4]
    assert to_genes.tolist() == [2, 7, 1, 5]
    assert to_values.tolist() == [20, 70, 10, 50]
