"""Shuffling what lies on disk: blocks of neighbouring cells, mixed within windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.data.sampling import ShuffledBatches

BLOCK = 32  # neighbouring cells that stay in one window
WINDOW = 2**16  # cells that are mixed with each other


@dataclass(frozen=True)
class BlockShuffledBatches(ShuffledBatches):
    """Every cell once per epoch, read by blocks; a last short batch is topped up.

    Blocks of neighbouring cells come in random order, `window` of them are shuffled cell by cell
    before the next. In a file sorted by label the shares of a label in batches of B cells vary
    about 1 + B / window times as much as in a full shuffle.
    """

    block: int = BLOCK
    window: int = WINDOW // BLOCK  # blocks

    @property
    def per_window(self) -> int:
        """Steps that a window lasts."""
        return max(1, self.block * self.window // self.batch_size)

    def indices(self, step: int) -> np.ndarray:
        """Return the cell indices of a step."""
        epoch, start, size = self.place(step)
        wide = self.block * self.window
        first, last = start // wide, (start + size - 1) // wide
        begin, order = start - first * wide, _window(self, epoch, first)
        if last == first:
            return order[begin : begin + size].copy()
        rest = [_window(self, epoch, number) for number in range(first + 1, last + 1)]
        return np.concatenate([order, *rest])[begin : begin + size]


@lru_cache(maxsize=4)
def _window(batches: BlockShuffledBatches, epoch: int, number: int) -> np.ndarray:
    """Return the shuffled cells of a window of an epoch; a short block comes in the last one."""
    whole = batches.cells // batches.block
    rng = numpy_stream(batches.seed, batches.name, "blocks", epoch)
    order = np.append(rng.permutation(whole), whole)  # the last is short or empty
    chosen = order[number * batches.window : (number + 1) * batches.window]
    cells = (chosen[:, None] * batches.block + np.arange(batches.block)).ravel()
    mixed = numpy_stream(batches.seed, batches.name, "window", epoch, number)
    return mixed.permutation(cells[cells < batches.cells])
