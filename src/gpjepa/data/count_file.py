"""The counts of one file, read from disk a run of cells at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.plain_array import PlainArray, Runs, plain_array
from gpjepa.data.room import Room

READ = 2**22  # entries that are read at once, at most
GAP = 2**11  # entries that are read and dropped rather than begin another read
_CHUNKS = 3  # chunks of a zarr store that are, as each read costs about as much as they do
_TURNED = 2**16  # entries that are made float32 at once, in the cache
_STAMPED = 5000  # files of a zarr store beyond which only its metadata are watched

Stamp = tuple[int, ...]


class CountFile:
    """A CSR matrix in an h5ad file or zarr store; its row pointers are in memory, no entry is.

    `lengths` are the entries and `sums` the sums of the rows as counts. Until `measure` has seen
    all of them there are no sums, and stored zeros are among the entries.
    """

    def __init__(self, path: Path, place: str, group: Any) -> None:
        self.path, self.place = path, place
        self._group = group  # keeps the file open
        self._data, self._indices = group["data"], group["indices"]
        self.indptr = np.asarray(group["indptr"][:], dtype=np.int64)
        self.shape = (int(group.attrs["shape"][0]), int(group.attrs["shape"][1]))
        self.dtype = np.dtype(self._data.dtype)
        self._refuse_damage()
        self.lengths = np.diff(self.indptr)
        self.sums: NDArray[np.float64] | None = None
        self._clean = False
        chunks = getattr(self._data, "chunks", None)
        self.grain = 1 if chunks is None else int(chunks[0])  # entries that are decoded together
        self._gap = GAP if path.is_file() else max(GAP, _CHUNKS * self.grain)
        self._stamp = self._stamped()

    @property
    def exact(self) -> bool:
        """Tell whether lengths are known to leave out stored zeros."""
        return self.sums is not None

    def gather(self, rows: NDArray[np.int64], room: Room | None = None) -> sparse.csr_matrix:
        """Return rows, in any order, as float32 counts with sorted indices.

        With `room` they lie there if they are stored as counts are. Raises `DataError` naming the
        file when it cannot be read or is no longer what it was.
        """
        counts = self._raw(rows, room).astype(np.float32, copy=False)
        if self._clean:
            counts.has_sorted_indices = counts.has_canonical_format = True
            return counts
        return as_counts(counts)

    def raw_chunks(self) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield all rows as they are stored, with the number of the first."""
        for start, stop in row_ranges(np.diff(self.indptr), READ):
            yield start, self._raw(np.arange(start, stop, dtype=np.int64))

    def measure(self, chunks: Iterator[sparse.csr_matrix]) -> None:
        """Take lengths and sums of the rows from all raw chunks, which hold counts."""
        lengths, sums, clean = [], [], True
        for raw in chunks:
            counts = as_counts(raw)
            lengths.append(np.diff(counts.indptr).astype(np.int64))
            sums.append(np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel())
            same = counts.nnz == raw.nnz and np.array_equal(counts.indices, raw.indices)
            clean = clean and bool(same)
        self.lengths = np.concatenate([np.zeros(0, np.int64), *lengths])
        self.sums, self._clean = np.concatenate([np.zeros(0), *sums]), clean

    def refuse_change(self) -> None:
        """Raise `DataError` when the file is not what it was when it was opened."""
        try:
            now = self._stamped()
        except OSError as error:
            raise self._damaged(str(error)) from error
        if now != self._stamp:
            raise DataError(
                f"file {str(self.path)!r} changed while it was read (size, time or number of its "
                "parts); expected it to stay as it is while it is in use; start again, or resume, "
                "when nothing writes to it"
            )

    def _raw(self, rows: NDArray[np.int64], room: Room | None = None) -> sparse.csr_matrix:
        """Return rows as stored, in any order; they are read in that of the file.

        In `room` values are float32.
        """
        self.refuse_change()
        starts, stops = self.indptr[rows], self.indptr[rows + 1]
        indptr = np.concatenate(([0], np.cumsum(stops - starts)))
        entries = int(indptr[-1])
        data, indices = (
            (np.empty(entries, self.dtype), np.empty(entries, np.int32))
            if room is None
            else room.of(entries)
        )
        order = np.argsort(rows)
        runs = Runs(starts[order], stops[order], indptr[:-1][order])
        if self._plain is None:
            self._copy(runs, data, indices)
        else:
            self._read_plain(*self._plain, runs, data, indices)
        if entries and indices.view(np.uint32).max() >= self.shape[1]:  # or below zero
            bad = int(indices.max() if indices.max() >= self.shape[1] else indices.min())
            raise self._damaged(f"a column index is {bad} of {self.shape[1]} genes")
        return sparse.csr_matrix((data, indices, indptr), shape=(len(rows), self.shape[1]))

    @cached_property
    def _plain(self) -> tuple[PlainArray, PlainArray] | None:
        """Return what reads values and columns without HDF5, where that can be."""
        try:
            values, genes = plain_array(self._data), plain_array(self._indices)
        except Exception as error:  # what HDF5 says of damage is of several classes
            raise self._damaged(str(error)) from error
        counted = self._indices.dtype.kind in "iu"
        return None if values is None or genes is None or not counted else (values, genes)

    def _read_plain(
        self,
        values: PlainArray,
        genes: PlainArray,
        runs: Runs,
        data: NDArray[Any],
        indices: NDArray[np.int32],
    ) -> None:
        """Read values and columns straight to their places."""
        stored = data.view(self.dtype)
        try:
            values.read(runs, stored, self._gap)
            genes.read(runs, indices, self._gap)
        except Exception as error:
            raise self._damaged(str(error)) from error
        if stored.dtype != data.dtype:
            for start in range(0, len(data), _TURNED):
                here = slice(start, start + _TURNED)
                data[here] = stored[here]

    def _copy(self, runs: Runs, data: NDArray[Any], indices: NDArray[np.int32]) -> None:
        """Read values and columns, neighbours together, and copy them to their places."""
        starts, stops, places, breaks = runs.starts, runs.stops, runs.places, runs.breaks()
        for first, last in self._segments(starts, stops):
            begin = int(starts[first])
            values, genes = self._read(slice(begin, int(stops[last - 1])))
            between = breaks[np.searchsorted(breaks, first + 1) : np.searchsorted(breaks, last)]
            for low, high in pairwise([first, *between.tolist(), last]):
                there = slice(int(starts[low]) - begin, int(stops[high - 1]) - begin)
                place = int(places[low])
                here = slice(place, place + there.stop - there.start)
                data[here], indices[here] = values[there], genes[there]

    def _segments(
        self, starts: NDArray[np.int64], stops: NDArray[np.int64]
    ) -> Iterator[tuple[int, int]]:
        """Yield runs of rows that one read fetches."""
        if not len(starts):
            return
        apart = starts[1:] - stops[:-1] > self._gap
        apart |= starts[1:] // READ != starts[:-1] // READ
        cuts = np.flatnonzero(apart) + 1
        yield from zip([0, *cuts.tolist()], [*cuts.tolist(), len(starts)], strict=True)

    def _read(self, span: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the values and columns of a run of entries."""
        wanted = span.stop - span.start
        try:
            values, genes = np.asarray(self._data[span]), np.asarray(self._indices[span])
        except Exception as error:  # h5py and zarr share no base class for their errors
            raise self._damaged(str(error)) from error
        if len(values) != wanted or len(genes) != wanted:
            raise self._damaged(f"{min(len(values), len(genes))} of {wanted} entries are there")
        return values, genes

    def _refuse_damage(self) -> None:
        """Raise `DataError` when the parts of the matrix do not fit each other."""
        entries, pointers = int(self._data.shape[0]), self.indptr
        if len(pointers) != self.shape[0] + 1:
            raise self._damaged(f"{len(pointers) - 1} row pointers for {self.shape[0]} cells")
        columns = int(self._indices.shape[0])
        if columns != entries or pointers[-1] != entries or pointers[0] != 0:
            raise self._damaged(
                f"{pointers[-1]} entries by its pointers, {entries} values and "
                f"{columns} column indices"
            )
        if (np.diff(pointers) < 0).any():
            raise self._damaged("row pointers fall")
        if self.path.is_dir():
            for name in ("data", "indices"):
                refuse_missing_chunks(self.path, f"{self.place}/{name}", self._group[name])

    def _damaged(self, found: str) -> DataError:
        lines = found.strip().splitlines()
        return DataError(
            f"counts at {self.place!r} of {str(self.path)!r} cannot be read "
            f"({lines[0] if lines else 'no reason given'}); expected a whole CSR matrix; the file "
            "is truncated, damaged or was changed while it was read: copy or download it again"
        )

    def _stamped(self) -> Stamp:
        """Return size, times and number of files, which change when something is written."""
        if self.path.is_file():
            own = os.stat(self.path)
            return own.st_size, own.st_mtime_ns, own.st_ino
        folder = self.path / self.place
        told = [os.stat(file) for file in sorted(folder.rglob("*"))[:_STAMPED]]
        sizes, times = [each.st_size for each in told], [each.st_mtime_ns for each in told]
        return len(told), sum(sizes), max(times, default=0)


def refuse_missing_chunks(store: Path, name: str, array: Any) -> None:
    """Raise `DataError` when files of a zarr array are gone: they would be read as zeros."""
    if len(array.shape) != 1 or not array.shape[0]:
        return
    size = (getattr(array, "shards", None) or array.chunks)[0]
    wanted = -(-array.shape[0] // size)
    there = sum(file.name.isdigit() for file in (store / name).rglob("*") if file.is_file())
    if there < wanted:
        raise DataError(
            f"zarr store {str(store)!r} cannot be read (array {name!r} has {there} of {wanted} "
            "chunks); expected all of them; it is incomplete or damaged: copy it again"
        )


def as_counts(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return an own float32 copy with sorted indices and no stored zeros."""
    counts = matrix.astype(np.float32, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


def row_ranges(lengths: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Yield runs of rows of at most `most` entries together, each of a row at least."""
    ends = np.cumsum(lengths)
    start, rows = 0, len(lengths)
    while start < rows:
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + most, side="right")), start + 1)
        yield start, stop
        start = stop
