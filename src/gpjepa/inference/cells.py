"""Cells as tensors, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.data.disk_counts import Counts, DiskCounts, stacked_counts, taken
from gpjepa.model.sparse_counts import SparseCounts

BATCH = 2048  # cells that are made dense at once


@dataclass(frozen=True, eq=False)
class CellTable:
    """Counts [cells, G] of the modelled genes and each cell's library."""

    counts: Counts
    library: np.ndarray

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    def dense(
        self, index: np.ndarray | slice, device: torch.device | str = "cpu"
    ) -> tuple[Float[Tensor, "B G"], Float[Tensor, " B"]]:
        """Return the counts and libraries of the cells at `index`."""
        counts = torch.from_numpy(self.counts[index].toarray().astype(np.float32, copy=False))
        library = torch.from_numpy(self.library[index].astype(np.float32))
        return counts.to(device), library.to(device)

    def sparse(
        self, index: np.ndarray | slice, device: torch.device | str = "cpu"
    ) -> tuple[SparseCounts, Float[Tensor, " B"]]:
        """Return the same without the zeros."""
        starts, gene, value = _rows(self.counts, index)
        counts = SparseCounts(
            torch.from_numpy(starts.astype(np.int64, copy=False)),
            torch.from_numpy(gene.astype(np.int32, copy=False)),
            torch.from_numpy(value.astype(np.float32, copy=False)),
            int(self.counts.shape[1]),
        )
        library = torch.from_numpy(self.library[index].astype(np.float32))
        return counts.to(device), library.to(device)

    def batches(
        self, device: torch.device | str = "cpu", size: int = BATCH
    ) -> Iterator[tuple[Float[Tensor, "B G"], Float[Tensor, " B"]]]:
        """Yield all cells in order."""
        for start in range(0, len(self), size):
            yield self.dense(np.arange(start, min(start + size, len(self))), device)

    def take(self, index: np.ndarray) -> CellTable:
        """Return the cells at `index`; many cells on disk stay there."""
        return CellTable(taken(self.counts, index), self.library[index])


def _rows(counts: Counts, index: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where each of some cells begins, and their columns and values, in own memory."""
    if isinstance(index, slice) and not isinstance(counts, DiskCounts):
        first, last, step = index.indices(counts.shape[0])
        if step == 1 and first <= last:
            starts = counts.indptr[first : last + 1].astype(np.int64)
            here = slice(int(starts[0]), int(starts[-1]))
            return starts - here.start, counts.indices[here].copy(), counts.data[here].copy()
    rows = counts[index]
    return rows.indptr, rows.indices, rows.data


def tables_joined(tables: Sequence[CellTable]) -> CellTable:
    """Stack tables of the same genes."""
    if len(tables) == 1:
        return tables[0]
    counts = stacked_counts([table.counts for table in tables])
    return CellTable(counts, np.concatenate([table.library for table in tables]))
