"""Negative-binomial counts in chunks, so that memory holds one chunk and the sparse result."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.sparse import csr_matrix

CHUNK = 2_000_000  # entries drawn at a time; part of what a seed means


def count_chunks(
    rates: Callable[[slice], np.ndarray],
    library: np.ndarray,
    size: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[tuple[csr_matrix, np.ndarray]]:
    """Yield counts [chunk, G] of mean library x rate and the counts of the rest [chunk].

    `rates` gives the shares [chunk, G] of the cells of a slice; `size` [G] is the NB size θ
    (variance μ + μ²/θ, as a gamma mixture of Poisson counts). What a cell's shares lack to 1
    belongs to genes that are not here; it is Poisson and makes the cell's total whole.
    """
    cells = len(library)
    step = max(1, CHUNK // len(size))
    for start in range(0, cells, step):
        chunk = slice(start, min(start + step, cells))
        shares = rates(chunk)
        exposure = library[chunk]
        rest = rng.poisson(exposure * np.maximum(0.0, 1 - shares.sum(axis=1)))
        shares = shares * (exposure[:, None] / size)
        shares *= rng.standard_gamma(size, shares.shape)
        counts = rng.poisson(shares)
        row, column = np.nonzero(counts)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(exposure)))])
        values = counts[row, column].astype(np.int32)
        yield (
            csr_matrix((values, column.astype(np.int32), indptr), shape=counts.shape),
            rest.astype(np.int64),
        )


def sample_counts(
    rates: Callable[[slice], np.ndarray],
    library: np.ndarray,
    size: np.ndarray,
    rng: np.random.Generator,
) -> tuple[csr_matrix, np.ndarray]:
    """Draw counts [cells, G] and the counts of the rest [cells]; see `count_chunks`."""
    chunks, rest = zip(*count_chunks(rates, library, size, rng), strict=True)
    lengths = [np.diff(chunk.indptr) for chunk in chunks]
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    values = np.concatenate([chunk.data for chunk in chunks])
    columns = np.concatenate([chunk.indices for chunk in chunks])
    matrix = csr_matrix((values, columns, indptr), shape=(len(library), len(size)))
    return matrix, np.concatenate(rest)
