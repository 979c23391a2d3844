"""Which cells a training step sees: a pure function of seed and step, so a run can resume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.core.random import numpy_stream


@dataclass(frozen=True)
class ShuffledBatches:
    """Every cell once per epoch in a fresh order; a last short batch is topped up."""

    cells: int
    batch_size: int
    seed: int
    name: str

    @property
    def per_epoch(self) -> int:
        """Steps of one epoch."""
        return max(1, -(-self.cells // self.batch_size))

    def place(self, step: int) -> tuple[int, int, int]:
        """Return the epoch of a step, where in its order the step begins, and its cells."""
        epoch, position = divmod(step, self.per_epoch)
        size = min(self.batch_size, self.cells)
        return epoch, min(position * self.batch_size, self.cells - size), size

    def indices(self, step: int) -> np.ndarray:
        """Return the cell indices of a step."""
        epoch, start, size = self.place(step)
        order = numpy_stream(self.seed, self.name, "order", epoch).permutation(self.cells)
        return order[start : start + size]


@dataclass(frozen=True)
class GroupBatches:
    """Whole groups per step: every group equally often, `group_size` of its cells each time."""

    groups: tuple[np.ndarray, ...]  # cell indices of each group
    groups_per_step: int
    group_size: int
    seed: int
    name: str

    @property
    def per_epoch(self) -> int:
        """Steps in which every group is visited once."""
        return max(1, -(-len(self.groups) // self.groups_per_step))

    def chosen(self, step: int) -> np.ndarray:
        """Return which groups a step visits."""
        epoch, position = divmod(step, self.per_epoch)
        order = numpy_stream(self.seed, self.name, "groups", epoch).permutation(len(self.groups))
        size = min(self.groups_per_step, len(self.groups))
        start = min(position * self.groups_per_step, len(self.groups) - size)
        return order[start : start + size]

    def indices(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return cell indices [groups × group_size] and the group of each."""
        chosen = self.chosen(step)
        draws = []
        for group in chosen:
            cells = self.groups[group]
            draws.append(_walk(cells, self.group_size, self.seed, self.name, int(group), step))
        return np.concatenate(draws), np.repeat(chosen, self.group_size)


def _walk(cells: np.ndarray, size: int, seed: int, name: str, group: int, step: int) -> np.ndarray:
    """Draw `size` cells: without replacement while they last, then starting over."""
    rng = numpy_stream(seed, name, "cells", group, step)
    rounds = -(-size // len(cells))
    return np.concatenate([rng.permutation(cells) for _ in range(rounds)])[:size]
