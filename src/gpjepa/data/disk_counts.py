"""Counts that stay on disk, standing where a CSR matrix in memory stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gpjepa.data.count_file import READ, row_ranges
from gpjepa.data.room import Room

RESIDENT = 2**23  # entries up to which rows that are taken come into memory, 64 MB

Rows = NDArray[np.int64]


class Source(Protocol):
    """Where rows come from: a file, or several one after the other."""

    shape: tuple[int, int]
    lengths: NDArray[np.int64]  # entries of each row, or more than there are
    sums: NDArray[np.float64] | None  # of each row, once known

    @property
    def exact(self) -> bool:
        """Tell whether lengths are what there is, and not more."""

    @property
    def grain(self) -> int:
        """Return how many entries are decoded together."""

    def gather(self, rows: Rows, room: Room | None = None) -> sparse.csr_matrix:
        """Return rows, in any order, as float32 counts, in `room` where they can be."""


class DiskCounts:
    """Counts [cells, genes] on disk: some rows and columns of a source, in any order.

    Indexing by cells reads them; choosing genes and `take` read nothing. Sums are those that the
    same matrix in memory has, bit for bit.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self, source: Source, rows: Rows | None = None, columns: Rows | None = None
    ) -> None:
        self.source, self.rows, self.columns = source, rows, columns
        cells = source.shape[0] if rows is None else len(rows)
        self.shape = (cells, source.shape[1] if columns is None else len(columns))

    def __getitem__(self, key: Any) -> Any:
        """Return cells in memory as CSR, or with [:, genes] the same cells on other genes."""
        if not isinstance(key, tuple):
            return self._read(self._positions(key))
        cells, genes = key
        columns = np.arange(self.shape[1])[genes]
        chosen = columns if self.columns is None else self.columns[columns]
        all_genes = np.array_equal(chosen, np.arange(self.source.shape[1]))
        part = DiskCounts(self.source, self.rows, None if all_genes else chosen)
        whole = isinstance(cells, slice) and cells == slice(None)
        return part if whole else part[cells]

    def read(self, rows: NDArray[np.generic], room: Room) -> sparse.csr_matrix:
        """Return cells in memory as CSR, in `room` where they can be: until it is used again."""
        return self._read(self._positions(rows), room)

    def take(self, rows: NDArray[np.generic]) -> DiskCounts:
        """Return cells without reading them."""
        at = self._positions(rows)
        return DiskCounts(self.source, at if self.rows is None else self.rows[at], self.columns)

    def chunks(self, most: int = READ) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield all cells in order, at most about `most` entries at once, with the first's row."""
        for start, stop in row_ranges(self._bounds, most):
            yield start, self._read(np.arange(start, stop, dtype=np.int64))

    def sum(self, axis: int, dtype: Any = None) -> NDArray[Any]:
        """Return sums over cells (0) or over genes (1), as CSR of float32 has them."""
        if axis == 1:
            return np.asarray(self._row_sums, dtype=dtype or np.float32)
        total = np.zeros(self.shape[1], dtype=np.float32)
        for _, part in self.chunks():
            add_columns(total, part)
        return total.astype(dtype or np.float32)

    def tocsr(self) -> sparse.csr_matrix:
        """Read everything."""
        return self._read(np.arange(self.shape[0], dtype=np.int64))

    def sort_indices(self) -> None:
        """Do nothing: what is read has sorted indices."""

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Return the entries of each cell [cells]; of some genes they are counted once."""
        if self.columns is None and self.source.exact:
            return self._bounds
        found = [np.diff(part.indptr) for _, part in self.chunks()]
        return np.concatenate([np.zeros(0, np.int64), *found]).astype(np.int64)

    @property
    def nnz(self) -> int:
        """Return the number of entries."""
        return int(self.lengths.sum())

    @property
    def grain(self) -> int:
        """Return about how many cells are decoded together."""
        return max(1, round(self.source.grain / self.mean_entries))

    @property
    def mean_entries(self) -> float:
        """Return the entries of a cell on average, without a look: of all genes."""
        return max(1.0, self.most_entries / max(self.shape[0], 1))

    @property
    def most_entries(self) -> int:
        """Return how many entries there are at most, without a look."""
        return int(self._bounds.sum())

    @property
    def _bounds(self) -> NDArray[np.int64]:
        return self.source.lengths if self.rows is None else self.source.lengths[self.rows]

    @cached_property
    def _row_sums(self) -> NDArray[np.float64]:
        known = self.source.sums
        if self.columns is None and known is not None:
            return known if self.rows is None else known[self.rows]
        found = [
            np.asarray(part.sum(axis=1, dtype=np.float64)).ravel() for _, part in self.chunks()
        ]
        return np.concatenate([np.zeros(0), *found])

    def _positions(self, key: Any) -> Rows:
        if isinstance(key, slice):
            return np.arange(self.shape[0], dtype=np.int64)[key]
        chosen = np.asarray(key)
        rows = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64).ravel()
        if len(rows) and (rows.min() < -self.shape[0] or rows.max() >= self.shape[0]):
            raise IndexError(f"row index out of range for {self.shape[0]} cells")
        return np.where(rows < 0, rows + self.shape[0], rows)

    def _read(self, at: Rows, room: Room | None = None) -> sparse.csr_matrix:
        rows = at if self.rows is None else self.rows[at]
        found = self.source.gather(rows, room)
        if self.columns is not None:
            found = found[:, self.columns]
            found.sort_indices()
        return found


class Stack:
    """Rows of several matrices of the same genes, one after the other."""

    def __init__(self, parts: Sequence[sparse.csr_matrix | DiskCounts]) -> None:
        self.parts = tuple(parts)
        self.starts = np.cumsum([0, *(int(part.shape[0]) for part in self.parts)])
        self.shape = (int(self.starts[-1]), int(self.parts[0].shape[1]))
        self.lengths = np.concatenate([_bounds(part) for part in self.parts])
        self.sums: NDArray[np.float64] | None = None

    @property
    def exact(self) -> bool:
        """Tell whether lengths are what there is: no part leaves genes out."""
        disk = [part for part in self.parts if isinstance(part, DiskCounts)]
        return all(part.columns is None and part.source.exact for part in disk)

    @property
    def grain(self) -> int:
        """Return how many entries are decoded together, at most."""
        return max(p.source.grain if isinstance(p, DiskCounts) else 1 for p in self.parts)

    def gather(self, rows: Rows, room: Room | None = None) -> sparse.csr_matrix:
        """Return rows, in any order, as float32 counts in memory of their own."""
        order = np.argsort(rows)
        ascending = rows[order]
        cuts = np.searchsorted(ascending, self.starts)
        found = [
            part[ascending[first:last] - start]
            for part, start, first, last in zip(
                self.parts, self.starts, cuts[:-1], cuts[1:], strict=False
            )
            if last > first
        ]
        if not found:
            return sparse.csr_matrix((0, self.shape[1]), dtype=np.float32)
        one = sparse.csr_matrix(sparse.vstack(found, format="csr")) if found[1:] else found[0]
        return one if np.array_equal(ascending, rows) else one[np.argsort(order)]


def _bounds(part: sparse.csr_matrix | DiskCounts) -> NDArray[np.int64]:
    if isinstance(part, DiskCounts):
        return part._bounds
    return np.diff(part.indptr).astype(np.int64)


Counts = sparse.csr_matrix | DiskCounts


def add_columns(total: NDArray[np.floating], part: sparse.csr_matrix) -> None:
    """Add sums over cells to `total` in place, cell after cell: chunks make no difference."""
    np.add.at(total, part.indices, part.data)


def taken(counts: Any, rows: NDArray[np.generic]) -> Any:
    """Return some cells: in memory from memory or where they are few, else still on disk."""
    if not isinstance(counts, DiskCounts):
        return counts[rows]
    part = counts.take(rows)
    return part.tocsr() if part.most_entries <= RESIDENT else part


def in_memory(counts: Any) -> sparse.csr_matrix:
    """Return counts that are read if they are on disk."""
    return counts.tocsr() if isinstance(counts, DiskCounts) else counts


def chunks(counts: Any) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """Yield counts in order with the row of each chunk's first cell; memory is one chunk."""
    if isinstance(counts, DiskCounts):
        yield from counts.chunks()
    else:
        yield 0, counts


def row_lengths(counts: Any) -> NDArray[np.int64]:
    """Return the entries of each cell."""
    if isinstance(counts, DiskCounts):
        return counts.lengths
    return np.diff(counts.indptr)


def stacked_counts(parts: Sequence[Any]) -> Any:
    """Return matrices of the same genes as one; on disk if any of them is."""
    if any(isinstance(part, DiskCounts) for part in parts):
        return DiskCounts(Stack(parts))
    return sparse.csr_matrix(sparse.vstack(list(parts), format="csr"))
