"""Cells with a label each: what the two sides of an evaluation are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from gpjepa.data.disk_counts import Counts, taken
from gpjepa.data.labels import CONTROL


@dataclass(frozen=True, eq=False)
class Population:
    """Raw counts float32 [B, G], libraries [B] in counts and canonical labels [B] of cells."""

    counts: Counts
    library: np.ndarray
    labels: np.ndarray

    @property
    def n_cells(self) -> int:
        """Return the number of cells."""
        return int(self.counts.shape[0])

    @cached_property
    def perturbations(self) -> tuple[str, ...]:
        """Return the sorted labels other than control."""
        return tuple(sorted(set(self.labels) - {CONTROL}))

    @property
    def controls(self) -> Population:
        """Return the control cells."""
        return self.take(np.flatnonzero(self.labels == CONTROL))

    @property
    def perturbed(self) -> Population:
        """Return the cells that are not control."""
        return self.take(np.flatnonzero(self.labels != CONTROL))

    def of(self, label: str) -> Population:
        """Return the cells with this label; empty when there are none."""
        return self.take(self._cells_of.get(label, np.zeros(0, dtype=np.int64)))

    def take(self, cells: np.ndarray) -> Population:
        """Return the cells at these indices, in their order."""
        cells = np.asarray(cells, dtype=np.int64)
        return Population(taken(self.counts, cells), self.library[cells], self.labels[cells])

    def genes(self, mask: np.ndarray) -> Population:
        """Return the same cells with the genes of a mask only; libraries stay as they are."""
        return Population(self.counts[:, np.flatnonzero(mask)], self.library, self.labels)

    def codes(self, perturbations: Sequence[str]) -> np.ndarray:
        """Return each cell's index in `perturbations`, -1 for labels that are not in it."""
        index = {label: position for position, label in enumerate(perturbations)}
        return np.array([index.get(label, -1) for label in self.labels], dtype=np.int64)

    @cached_property
    def _cells_of(self) -> dict[str, np.ndarray]:
        order = np.argsort(self.labels, kind="stable")
        names, first = np.unique(self.labels[order].astype(str), return_index=True)
        return {
            str(name): part for name, part in zip(names, np.split(order, first[1:]), strict=False)
        }


def pooled(first: Population, second: Population) -> Population:
    """Return the cells of both populations."""
    return Population(
        sparse.csr_matrix(sparse.vstack([first.counts, second.counts], format="csr")),
        np.concatenate([first.library, second.library]),
        np.concatenate([first.labels, second.labels]),
    )
