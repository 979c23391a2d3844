"""Arrays of an HDF5 file that lie there as they are in memory, read without HDF5 into place.

HDF5 copies what it reads through its cache and holds the interpreter's lock meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH = 4  # bytes of an entry
_STRETCH = 2**18  # entries of a piece at most: a read of `_PIECES` is below the system's 2 GB
_PIECES = 1024  # of one read, as systems allow

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of entries [runs], ascending: where each begins and ends, and its place in memory."""

    starts: Places
    stops: Places
    places: Places

    def breaks(self) -> Places:
        """Return which runs do not go on where the one before ends, both on disk and in memory."""
        lengths = self.stops - self.starts
        apart = self.starts[1:] != self.stops[:-1]
        apart |= self.places[1:] != self.places[:-1] + lengths[:-1]
        return np.flatnonzero(apart) + 1

    def joined(self) -> Runs:
        """Return the same in as few runs as can be."""
        first, last = np.append(0, self.breaks()), np.append(self.breaks(), len(self.starts)) - 1
        return Runs(self.starts[first], self.stops[last], self.places[first])

    def bridged(self, gap: int) -> Runs:
        """Return the same with gaps of up to `gap` entries as runs whose place is below zero."""
        between = self.starts[1:] - self.stops[:-1]
        near = np.flatnonzero((between > 0) & (between <= gap)) + 1
        return Runs(
            np.insert(self.starts, near, self.stops[near - 1]),
            np.insert(self.stops, near, self.starts[near]),
            np.insert(self.places, near, -gap),
        )


@dataclass(frozen=True, eq=False)
class PlainArray:
    """A dataset [entries] of 4 bytes each, which keeps its file open.

    From entry `edges[i]` to `edges[i + 1]` they lie together, `shifts[i]` bytes on from where
    they would be in a file that holds nothing else.
    """

    dataset: Any
    edges: Places
    shifts: Places

    def read(self, runs: Runs, out: NDArray[Any], gap: int = 0) -> None:
        """Read entries each to its place in `out`.

        Up to `gap` entries between two runs are read and dropped rather than begin another read.
        Raises `OSError` when the file cannot be read or ends before them, and what h5py raises
        when it was closed.
        """
        if not len(out):
            return
        at, sizes, places = self._pieces(runs.joined().bridged(gap))
        cuts = np.flatnonzero(at[1:] != at[:-1] + sizes[:-1]) + 1
        reads = np.union1d(np.append(cuts, len(at)), np.arange(0, len(at), _PIECES))
        memory, spare = out.data.cast("B"), memoryview(bytearray(gap * _WIDTH))
        begins, ends = places.tolist(), (places + sizes).tolist()
        handle = self.dataset.file.id.get_vfd_handle()  # of the system
        for first, last in pairwise(reads.tolist()):
            parts = [
                memory[begin:end] if begin >= 0 else spare[: end - begin]
                for begin, end in zip(begins[first:last], ends[first:last], strict=True)
            ]
            size = int(at[last - 1] + sizes[last - 1] - at[first])
            _fill(handle, parts, int(at[first]), size)

    def _pieces(self, runs: Runs) -> tuple[Places, Places, Places]:
        """Cut runs where the file does; return where each piece begins, its size and its place.

        All in bytes.
        """
        low = np.searchsorted(self.edges, runs.starts, side="right") - 1
        high = np.searchsorted(self.edges, runs.stops, side="left")
        each = np.maximum(high - low, 0)
        run = np.repeat(np.arange(len(each)), each)
        stretch = low[run] + np.arange(len(run)) - (np.cumsum(each) - each)[run]
        begin = np.maximum(runs.starts[run], self.edges[stretch])
        end = np.minimum(runs.stops[run], self.edges[stretch + 1])
        place = runs.places[run] + begin - runs.starts[run]
        return begin * _WIDTH + self.shifts[stretch], (end - begin) * _WIDTH, place * _WIDTH


def plain_array(dataset: Any) -> PlainArray | None:
    """Return what reads a dataset of h5py without HDF5; None where that cannot be.

    It can where its entries have 4 bytes as this machine has them and lie in an ordinary file,
    all of them, neither compressed nor filtered.
    """
    import h5py

    if not isinstance(dataset, h5py.Dataset) or not hasattr(os, "preadv"):
        return None
    told, kind = dataset.id, dataset.dtype
    native = kind in (np.float32, np.int32, np.uint32) and told.get_type().equal(
        h5py.h5t.py_create(kind)
    )
    filtered = told.get_create_plist().get_nfilters() > 0
    elsewhere = dataset.external is not None or dataset.is_virtual
    file = dataset.file
    if not native or filtered or elsewhere or file.driver != "sec2" or file.userblock_size:
        return None
    entries = int(dataset.shape[0])
    firsts, offsets = _stretches(dataset, entries)
    if not len(offsets):
        return None
    shifts = offsets - firsts * _WIDTH
    apart = np.concatenate(([True], shifts[1:] != shifts[:-1]))
    edges = np.union1d(firsts[apart], np.arange(0, entries, _STRETCH))
    shifts = shifts[np.searchsorted(firsts, edges, side="right") - 1]
    return PlainArray(dataset, np.append(edges, entries), shifts)


def _stretches(dataset: Any, entries: int) -> tuple[Places, Places]:
    """Return the first entry of each stretch of a dataset and its byte; none if one is missing."""
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        return none if offset is None else (np.zeros(1, np.int64), np.array([offset]))
    if not hasattr(dataset.id, "chunk_iter"):  # HDF5 before 1.10.9
        return none
    found: list[tuple[int, int]] = []
    dataset.id.chunk_iter(lambda told: found.append((told.chunk_offset[0], told.byte_offset)))
    firsts, offsets = np.array(sorted(found), dtype=np.int64).reshape(-1, 2).T
    whole = np.array_equal(firsts, np.arange(0, entries, dataset.chunks[0]))
    return (firsts, offsets) if whole else none


def _fill(handle: int, parts: Sequence[memoryview], at: int, size: int) -> None:
    """Read `size` bytes of a file from `at` on into consecutive parts of memory."""
    if os.preadv(handle, parts, at) == size:
        return
    for part in parts:  # some file systems give less than is asked for
        rest = part
        while len(rest):
            got = os.preadv(handle, [rest], at)
            if not got:
                raise OSError(f"the file ends at byte {at}")
            at, rest = at + got, rest[got:]
