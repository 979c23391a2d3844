from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("numba")

from gpjepa.model.kernels import gain_rows, gene_factors, population_rows, tile_counts

CELLS = 20_000


def read(starts, genes, values, before, after, theta, seeds) -> tuple:
    """Return what `changed` reads of rates that no factor is on."""
    rows, tiles = len(starts) - 1, -(-len(theta) // gene_factors.TILE)
    counts = np.zeros(tiles + 1, np.int64), np.empty((len(genes), 3), np.uint32)
    tile_counts.by_tile(starts, genes, values, *counts)
    none = np.empty((0, 0, 0), np.float32)
    rates = [(each[None], none, none, none) for each in (before, after)]
    factor = np.empty((1, tiles * gene_factors.TILE), np.float32)
    by, rate = np.empty((1, len(genes)), np.float32), np.empty(len(genes), np.float32)
    rule = (np.float32(0.5), 0, np.float32(0.0))
    given = (counts, *rates, none, theta, seeds[None], 0, tiles, *rule, factor, by, rate)
    cells, found, number = gene_factors.balance(*given)
    assert (factor == 1.0).all()
    gains = (np.zeros(rows + 1, np.int64), found.copy(), number.copy())
    gain_rows.by_cell(cells, found, number, *gains)
    return (starts, genes, values, theta, by[0], rate, gains, seeds)


def drawn(counts, before, after, theta, seed: int = 0, rows: int = CELLS) -> np.ndarray:
    """Return what every cell of `rows` equal ones becomes, dense."""
    genes = np.flatnonzero(counts).astype(np.int32)
    starts = np.arange(rows + 1, dtype=np.int64) * len(genes)
    values = np.tile(np.asarray(counts, np.float32)[genes], rows)
    means = [np.tile(np.asarray(mean, np.float32), (rows, 1)) for mean in (before, after)]
    seeds = np.random.default_rng(seed).integers(2**62, size=rows)
    number = np.empty(rows, np.int64)
    theta = np.asarray(theta, np.float32)
    given = read(starts, np.tile(genes, rows), values, *means, theta, seeds)
    gene, value = population_rows.changed(*given, 0, rows, number)
    out = np.zeros((rows, len(counts)), int)
    out[np.repeat(np.arange(rows), number), gene] = value
    assert (value > 0).all()
    within = np.diff(gene)[np.diff(np.repeat(np.arange(rows), number)) == 0]
    assert (within > 0).all()  # the genes of a cell are in order
    return out


def like(found: np.ndarray, expected) -> bool:
    """Tell whether draws are like those of a distribution of scipy, by χ²."""
    edges = np.unique(expected.ppf(np.linspace(0.02, 0.98, 13)))
    shares = np.diff(np.concatenate(([0.0], expected.cdf(edges), [1.0])))
    seen = np.histogram(found, np.concatenate(([-np.inf], edges + 0.5, [np.inf])))[0]
    kept = shares > 1e-12
    return stats.chisquare(seen[kept], shares[kept] * len(found)).pvalue > 1e-3


MEANS = (0.003, 0.02, 0.5, 3.0, 20.0, 400.0)
THETAS = (0.05, 0.3, 2.0, 50.0)


@pytest.mark.parametrize("theta", THETAS)
def test_genes_without_counts_that_nothing_came_before_are_negative_binomial(theta) -> None:
    means = np.repeat(MEANS, 7)  # more than a stretch, small and large ones side by side
    found = drawn(np.zeros(42), np.zeros(42), means, np.full(42, theta))
    for gene, mean in enumerate(means):
        expected = stats.nbinom(theta, theta / (theta + mean))
        assert like(found[:, gene], expected), (mean, theta)
        error = np.sqrt(expected.var() / CELLS)
        assert abs(found[:, gene].mean() - mean) < 4.5 * error
        silent = expected.pmf(0)
        error = np.sqrt(silent * (1 - silent) / CELLS)
        assert abs((found[:, gene] == 0).mean() - silent) < 4.5 * error + 1e-9
    assert abs(np.corrcoef(found.T) - np.eye(42)).max() < 0.05


@pytest.mark.parametrize("ratio", [1.1, 4.0, 60.0])
@pytest.mark.parametrize("theta", [0.3, 5.0])
def test_counts_whose_rate_rises_gain_what_they_say_of_it(ratio, theta) -> None:
    counts, mean = np.array([1.0, 7.0, 0.0, 40.0]), np.array([2.0, 3.0, 0.7, 30.0])
    found = drawn(counts, mean, ratio * mean, np.full(4, theta)) - counts
    for gene, (count, before) in enumerate(zip(counts, mean, strict=True)):
        size = theta + count
        more = (ratio - 1.0) * before * size / (theta + before)
        assert like(found[:, gene], stats.nbinom(size, size / (size + more))), (count, more)


@pytest.mark.parametrize("ratio", [0.97, 0.3, 0.01])
def test_losses_keep_each_count_with_the_ratio(ratio) -> None:
    counts, mean = np.array([9.0, 0.0, 1.0, 80.0]), np.array([4.0, 3.0, 2.0, 90.0])
    found = drawn(counts, mean, ratio * mean, np.full(4, 2.0))
    for gene in (0, 2, 3):
        assert like(found[:, gene], stats.binom(int(counts[gene]), ratio))
    assert not found[:, 1].any()


def test_a_rate_that_falls_to_nothing_leaves_nothing() -> None:
    found = drawn([3.0, 500.0], [1.0, 2.0], [0.0, 1e-30], [1.0, 1.0], rows=50)
    assert not found.any()


def test_cells_do_not_depend_on_which_others_are_drawn() -> None:
    rng = np.random.default_rng(2)
    dense = rng.poisson(0.5, (60, 30)).astype(np.float32)
    cell, gene = np.nonzero(dense)
    starts = np.r_[0, np.cumsum(np.bincount(cell, minlength=60))]
    means = [np.exp(rng.normal(size=(60, 30))).astype(np.float32) for _ in range(2)]
    seeds, one = rng.integers(2**62, size=60), np.ones(30, np.float32)
    given = read(starts, gene.astype(np.int32), dense[cell, gene], *means, one, seeds)
    number, parts = np.empty(60, np.int64), np.empty(60, np.int64)
    whole = population_rows.changed(*given, 0, 60, number)
    some = [
        population_rows.changed(*given, first, min(first + 7, 60), parts)
        for first in range(0, 60, 7)
    ]
    assert np.array_equal(number, parts)
    for one_of, others in zip(whole, zip(*some, strict=True), strict=True):
        assert np.array_equal(one_of, np.concatenate(others))
