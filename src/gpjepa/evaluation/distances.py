"""Distances between populations of cells, and between count distributions gene by gene."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import blas

from gpjepa.evaluation.equalise import Entries

FEW = 15  # counts up to this are tabulated, higher ones sorted


def pairwise_distances(points: np.ndarray) -> np.ndarray:
    """Return Euclidean distances between the rows of `points` [N, G], float64 [N, N]."""
    points = np.asarray(points, dtype=np.float32)
    centred = np.ascontiguousarray(points - points.mean(axis=0))
    # The transpose is Fortran-ordered, so BLAS fills one triangle without a copy.
    gram = blas.ssyrk(1.0, centred.T, trans=1, lower=1).astype(np.float64)
    gram = np.tril(gram) + np.tril(gram, -1).T
    squares = np.diag(gram)
    distance = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * gram, 0.0))
    np.fill_diagonal(distance, 0.0)
    return distance


def energy_distance(distance: np.ndarray, count: int) -> float:
    """Return 2 E|X − Y| − E|X − X'| − E|Y − Y'| from distances between pooled cells.

    The first `count` rows are X, the rest Y. Means run over all pairs, a cell with itself
    included (the V-statistic), so the value is never negative. Distances are not squared: with
    squares the value is 2 ‖Δmean‖² whatever the shape of the populations.

    Source: Székely and Rizzo (2013), equation 2.2.
    """
    across = distance[:count, count:].mean()
    return float(2 * across - distance[:count, :count].mean() - distance[count:, count:].mean())


def mmd(distance: np.ndarray, count: int) -> float:
    """Return the maximum mean discrepancy, in [0, √2], under a Gaussian kernel.

    The bandwidth is the median distance among the second side's cells, the observed ones, so a
    prediction cannot choose its own ruler. Biased (V-statistic) form.

    Source: Gretton et al. (2012), equation 5.
    """
    observed = distance[count:, count:]
    off = observed[np.triu_indices(len(observed), 1)]
    width = float(np.median(off)) if off.size else 0.0
    kernel = np.exp(-0.5 * np.square(distance / (width if width > 0 else 1.0)))
    square = (
        kernel[:count, :count].mean()
        + kernel[count:, count:].mean()
        - 2 * kernel[:count, count:].mean()
    )
    return float(np.sqrt(max(square, 0.0)))


def count_distances(
    first: sparse.csr_matrix | np.ndarray | Entries,
    second: sparse.csr_matrix | np.ndarray | Entries,
) -> tuple[np.ndarray, np.ndarray]:
    """Return per gene the Kolmogorov distance of counts and their 1-Wasserstein on log1p.

    Both sides are integers [N, G] with the same N. With F and G the two empirical distribution
    functions these are max |F − G| and ∫ |F − G| d log1p(count).

    The first is also the Kolmogorov distance from uniform of the randomised PIT of one side
    under the other, its randomisation averaged out: the PIT's distribution function at F(k) is
    G(k) and linear in between.
    """
    sides = [Entries.of(side) for side in (first, second)]
    cells = sides[0].cells
    tables = [_histogram(side) for side in sides]
    excess = (tables[1] - tables[0])[:, :0:-1]  # cells with exactly this count, the highest first
    difference = np.abs(np.cumsum(excess, axis=1))[:, ::-1]
    kolmogorov = difference.max(axis=1, initial=0) / cells
    wasserstein = difference @ np.diff(np.log1p(np.arange(FEW + 1))) / cells
    high = np.zeros(sides[0].genes, dtype=bool)
    for side in sides:
        high[side.gene[side.count > FEW]] = True
    if high.any():
        dense = [_dense(side, high) for side in sides]
        kolmogorov[high], wasserstein[high] = _sorted_distances(*dense)
    return kolmogorov, wasserstein


def _histogram(side: Entries) -> np.ndarray:
    """Return how many cells have each count of 1 … `FEW`, [G, FEW + 1]; column 0 means nothing."""
    value = np.where(side.count <= FEW, side.count, 0).astype(np.int64)
    key = side.gene * np.int64(FEW + 1) + value
    return np.bincount(key, minlength=side.genes * (FEW + 1)).reshape(-1, FEW + 1)


def _dense(side: Entries, genes: np.ndarray) -> np.ndarray:
    """Return the counts of the genes of a mask, [cells, genes]."""
    some = genes[side.gene]
    column = np.cumsum(genes) - 1
    counts = np.zeros((side.cells, int(genes.sum())), dtype=np.int64)
    counts[side.cell[some], column[side.gene[some]]] = side.count[some]
    return counts


def _sorted_distances(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what `count_distances` does, for counts of any size."""
    cells = len(first)
    pooled = np.concatenate([2 * first.T, 2 * second.T + 1], axis=1).astype(np.int64)
    pooled.sort(axis=1)
    values, step = pooled >> 1, 1 - 2 * (pooled & 1)
    difference = np.abs(np.cumsum(step, axis=1))[:, :-1]
    difference = np.where(values[:, 1:] != values[:, :-1], difference, 0)
    area = (difference * np.diff(np.log1p(values), axis=1)).sum(axis=1)
    return difference.max(axis=1, initial=0) / cells, area / cells
