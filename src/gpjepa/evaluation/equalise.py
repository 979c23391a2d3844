"""Populations made comparable: as many cells, and as deep, on both sides."""

from __future__ import annotations

import numpy as np
from scipy import sparse

SMALL = 8  # counts up to this are thinned unit by unit


def equal_cells(
    first: sparse.csr_matrix, second: sparse.csr_matrix, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted cell indices of both sides, as many as the smaller side has."""
    count = min(first.shape[0], second.shape[0])
    chosen = [
        np.arange(count)
        if side.shape[0] == count
        else np.sort(rng.choice(side.shape[0], count, replace=False))
        for side in (first, second)
    ]
    return chosen[0], chosen[1]


def thin(counts: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return counts of which each unit is kept with probability `share`, independently."""
    values = counts.astype(np.int64)
    if share >= 1.0:
        return values
    kept = values.copy()
    flat, given = kept.reshape(-1), values.reshape(-1)
    few = np.flatnonzero((given > 0) & (given <= SMALL))
    if few.size:
        ends = np.cumsum(given[few])
        units = rng.random(int(ends[-1]), dtype=np.float32) < share
        total = np.concatenate([[0], np.cumsum(units)])[ends]
        flat[few] = np.diff(total, prepend=0)
    many = np.flatnonzero(given > SMALL)
    if many.size:
        flat[many] = rng.binomial(given[many], share)
    return kept


def depth_shares(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the shares of counts to keep on each side so that mean libraries are equal.

    The shallower side keeps everything. A side without any library leaves both as they are.
    """
    means = float(np.mean(first)), float(np.mean(second))
    low = min(means)
    if low <= 0:
        return 1.0, 1.0
    return low / means[0], low / means[1]


def log_normalise(
    counts: sparse.csr_matrix | np.ndarray, library: np.ndarray, target: float
) -> np.ndarray:
    """Return log1p(target · counts / library) per cell, dense float32; no library gives 0."""
    scale = np.where(library > 0, target / np.where(library > 0, library, 1.0), 0.0)
    scale = scale.astype(np.float32)
    if isinstance(counts, np.ndarray):
        return np.log1p(counts * scale[:, None], dtype=np.float32)
    cells = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    values = np.log1p(counts.data * scale[cells], dtype=np.float32)
    parts = (values, counts.indices, counts.indptr)
    return sparse.csr_matrix(parts, shape=counts.shape).toarray()
