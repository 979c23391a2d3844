"""Cells of coming steps, read from disk while the present step computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.data.blocks import BLOCK, WINDOW, BlockShuffledBatches
from gpjepa.data.disk_counts import DiskCounts
from gpjepa.data.room import Room
from gpjepa.data.sampling import ShuffledBatches
from gpjepa.inference.cells import CellTable
from gpjepa.model.sparse_counts import SparseCounts

ENTRIES = 2**25  # counts that are read at once, at most about: 256 MB
MOST_BLOCK = 128  # neighbouring cells that stay together where cells are decoded in pieces


def window_cells(counts: DiskCounts) -> int:
    """Return how many cells are read at once, at most about."""
    return max(1, min(WINDOW, int(ENTRIES / counts.mean_entries)))


def shuffled_batches(table: CellTable, batch_size: int, seed: int, name: str) -> ShuffledBatches:
    """Return batches that visit every cell once per epoch: shuffled, from disk by blocks."""
    counts = table.counts
    if not isinstance(counts, DiskCounts):
        return ShuffledBatches(len(table), batch_size, seed, name)
    block = int(np.clip(counts.grain // 2, BLOCK, MOST_BLOCK))
    window = max(1, window_cells(counts) // block)
    return BlockShuffledBatches(len(table), batch_size, seed, name, block, window)


def ahead_of(table: CellTable, batches: ShuffledBatches) -> ReadAhead:
    """Return what reads the cells of such batches."""
    if not isinstance(batches, BlockShuffledBatches):
        return ReadAhead(table, batches.indices)
    return ReadAhead(table, batches.indices, batches.per_window, batches.per_epoch)


class Window:
    """Cells read for some steps, asked for by where they lie in the whole table.

    They are in `room` until it is used again, in the order in which the steps first see them, so
    that the cells of a step lie together if no step before has seen some of them.
    """

    def __init__(self, counts: DiskCounts, library: np.ndarray, rows: np.ndarray, room: Room):
        self._place = np.empty(counts.shape[0], dtype=np.int32)
        uses = np.arange(len(rows), dtype=np.int32)
        self._place[rows[::-1]] = uses[::-1]  # of several values the last stays: the first use
        here = rows[self._place[rows] == uses]
        self._place[here] = np.arange(len(here))
        self.table = CellTable(counts.read(here, room), library[here])

    def sparse(
        self, index: np.ndarray, device: torch.device | str = "cpu"
    ) -> tuple[SparseCounts, Float[Tensor, " B"]]:
        """Return counts without zeros and libraries of the cells at `index`."""
        return self.table.sparse(self._places(index), device)

    def dense(
        self, index: np.ndarray, device: torch.device | str = "cpu"
    ) -> tuple[Float[Tensor, "B G"], Float[Tensor, " B"]]:
        """Return counts and libraries of the cells at `index`."""
        return self.table.dense(self._places(index), device)

    def _places(self, index: np.ndarray) -> np.ndarray | slice:
        """Return where cells lie here: as a slice if they lie together, in this order."""
        places = self._place[index]
        first, last = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
        together = np.array_equal(places, np.arange(first, last))
        return slice(first, last) if together else places


class ReadAhead:
    """Gives each step the cells that it sees: a table in memory as it is, one on disk in windows.

    `rows` are the cells of a step, a pure function of it. One thread reads the next window while
    this one is used; what it raises is raised where the window is asked for. A window lasts until
    the next but one is read: two rooms hold them by turns. It is for `steps` steps at most, and
    for none beyond the end of an epoch of `per_epoch` steps, after which cells come again.
    """

    def __init__(
        self,
        table: CellTable,
        rows: Callable[[int], np.ndarray],
        steps: int | None = None,
        per_epoch: int | None = None,
    ) -> None:
        self.table, self.rows = table, rows
        self.steps = steps or 1
        if steps is None and isinstance(table.counts, DiskCounts):
            self.steps = max(1, window_cells(table.counts) // max(1, len(rows(0))))
        self.per_epoch = per_epoch or self.steps
        self._rooms = Room(), Room()
        self._now: tuple[int, Window] | None = None
        self._next: tuple[int, Future[Window]] | None = None
        self._reader: ThreadPoolExecutor | None = None

    def at(self, step: int) -> CellTable | Window:
        """Return what holds the cells of a step.

        Raises `DataError` naming the file when its cells cannot be read.
        """
        if not isinstance(self.table.counts, DiskCounts):
            return self.table
        epoch, position = divmod(step, self.per_epoch)
        number = epoch * self._windows + position // self.steps
        if self._now is None or self._now[0] != number:
            self._now = None  # two windows in memory at a time
            self._now = number, self._begun(number).result()
            self._next = number + 1, self._begin(number + 1)
        return self._now[1]

    @property
    def _windows(self) -> int:
        """Return the windows of an epoch."""
        return -(-self.per_epoch // self.steps)

    def _begun(self, number: int) -> Future[Window]:
        if self._next is not None and self._next[0] == number:
            return self._next[1]
        return self._begin(number)

    def _begin(self, number: int) -> Future[Window]:
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix="cells ahead")
        return self._reader.submit(self._load, number)

    def _load(self, number: int) -> Window:
        epoch, window = divmod(number, self._windows)
        first = window * self.steps
        steps = range(first, min(first + self.steps, self.per_epoch))
        rows = np.concatenate([self.rows(epoch * self.per_epoch + step) for step in steps])
        assert isinstance(self.table.counts, DiskCounts)
        return Window(self.table.counts, self.table.library, rows, self._rooms[number % 2])
