"""Populations made comparable: as many cells, and as deep, on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

SMALL = 8  # counts up to this are thinned unit by unit


@dataclass(frozen=True, eq=False)
class Entries:
    """Counts that are not zero, cell by cell: their cell, gene and number, arrays of one length."""

    cell: np.ndarray
    gene: np.ndarray
    count: np.ndarray
    cells: int
    genes: int

    @classmethod
    def of(cls, counts: sparse.csr_matrix | np.ndarray | Entries) -> Entries:
        """Return the non-zero counts of a matrix [cells, genes], genes ascending in a cell."""
        if isinstance(counts, Entries):
            return counts
        matrix = sparse.csr_matrix(counts)
        matrix = matrix if matrix.has_sorted_indices else matrix.sorted_indices()
        cell = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return cls(cell, matrix.indices, matrix.data, *matrix.shape).kept(matrix.data)

    def kept(self, count: np.ndarray) -> Entries:
        """Return the entries with other counts, without those that are now zero."""
        some = count != 0
        if some.all():
            return Entries(self.cell, self.gene, count, self.cells, self.genes)
        return Entries(self.cell[some], self.gene[some], count[some], self.cells, self.genes)

    def per_gene(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return sums of weights over the entries of each gene, or how many there are, [G]."""
        return np.bincount(self.gene, weights=weights, minlength=self.genes)


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


def log_normalise(counts: Entries | np.ndarray, library: np.ndarray, target: float) -> np.ndarray:
    """Return log1p(target · counts / library) per cell, dense float32; no library gives 0."""
    scale = np.where(library > 0, target / np.where(library > 0, library, 1.0), 0.0)
    scale = scale.astype(np.float32)
    if isinstance(counts, np.ndarray):
        return np.log1p(counts * scale[:, None], dtype=np.float32)
    values = np.zeros((counts.cells, counts.genes), dtype=np.float32)
    values[counts.cell, counts.gene] = np.log1p(counts.count * scale[counts.cell], dtype=np.float32)
    return values
