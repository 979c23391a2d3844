"""Negative-binomial counts in chunks, so that memory holds one chunk and the sparse result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix

CHUNK = 2_000_000  # entries drawn at a time; part of what a seed means


def sample_counts(
    rates: Callable[[slice], np.ndarray],
    library: np.ndarray,
    size: np.ndarray,
    rng: np.random.Generator,
) -> tuple[csr_matrix, np.ndarray]:
    """Draw counts [cells, G] of mean library x rate, and the counts of the rest [cells].

    `rates` gives the shares [chunk, G] of the cells of a slice; `size` [G] is the NB size θ
    (variance μ + μ²/θ, as a gamma mixture of Poisson counts). What a cell's shares lack to 1
    belongs to genes that are not here; it is Poisson and makes the cell's total whole.
    """
    cells = len(library)
    step = max(1, CHUNK // len(size))
    rest = np.zeros(cells, dtype=np.int64)
    values, columns, lengths = [], [], []
    for start in range(0, cells, step):
        chunk = slice(start, min(start + step, cells))
        shares = rates(chunk)
        exposure = library[chunk]
        rest[chunk] = rng.poisson(exposure * np.maximum(0.0, 1 - shares.sum(axis=1)))
        shares = shares * (exposure[:, None] / size)
        shares *= rng.standard_gamma(size, shares.shape)
        counts = rng.poisson(shares)
        row, column = np.nonzero(counts)
        values.append(counts[row, column].astype(np.int32))
        columns.append(column.astype(np.int32))
        lengths.append(np.bincount(row, minlength=len(exposure)))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    matrix = csr_matrix(
        (np.concatenate(values), np.concatenate(columns), indptr), shape=(cells, len(size))
    )
    return matrix, rest
