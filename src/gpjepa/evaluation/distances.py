"""Distances between populations of cells, and between count distributions gene by gene."""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas


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


def count_distances(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return per gene the Kolmogorov distance of counts and their 1-Wasserstein on log1p.

    Both sides are integers [N, G] with the same N. With F and G the two empirical distribution
    functions these are max |F − G| and ∫ |F − G| d log1p(count).

    The first is also the Kolmogorov distance from uniform of the randomised PIT of one side
    under the other, its randomisation averaged out: the PIT's distribution function at F(k) is
    G(k) and linear in between.
    """
    cells = len(first)
    highest = int(max(first.max(initial=0), second.max(initial=0)))
    small = highest < 2**14 and cells < 2**14
    kind = np.int16 if small else np.int64
    pooled = np.empty((first.shape[1], 2 * cells), dtype=kind)
    np.multiply(first.T, 2, out=pooled[:, :cells], casting="unsafe")
    np.multiply(second.T, 2, out=pooled[:, cells:], casting="unsafe")
    pooled[:, cells:] += 1
    pooled.sort(axis=1)
    step = 1 - 2 * (pooled & 1)
    difference = np.abs(np.cumsum(step, axis=1, dtype=kind))[:, :-1]
    values = pooled >> 1
    last = values[:, 1:] != values[:, :-1]
    difference = np.where(last, difference, 0)
    height = np.log1p(np.arange(highest + 1)) if small else None
    level = np.log1p(values) if height is None else height[values]
    area = (difference * np.diff(level, axis=1)).sum(axis=1)
    return difference.max(axis=1, initial=0) / cells, area / cells
