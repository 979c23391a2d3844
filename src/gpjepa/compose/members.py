"""What each gene does alone and what is known of it beforehand: the members of combinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from gpjepa.data.labels import members_of
from gpjepa.model.composition import Members


@dataclass(frozen=True, eq=False)
class Alone:
    """Genes with their effect alone [V, G], measured or predicted, and their priors [V, F].

    Rows of `priors` have length at most 1, and 0 for a gene of which nothing is known.
    """

    names: tuple[str, ...]
    effects: np.ndarray
    priors: np.ndarray
    measured: np.ndarray  # bool [V]

    @cached_property
    def row(self) -> dict[str, int]:
        """Map each gene to its row."""
        return {name: row for row, name in enumerate(self.names)}

    def with_genes(self, names: Sequence[str], effects: np.ndarray, priors: np.ndarray) -> Alone:
        """Return the genes with others, whose effects are predicted, after them."""
        return Alone(
            (*self.names, *names),
            np.concatenate((self.effects, effects)),
            np.concatenate((self.priors, priors)),
            np.concatenate((self.measured, np.zeros(len(names), dtype=bool))),
        )

    def members(self, labels: Sequence[str], basis: np.ndarray, size: int = 1) -> Members:
        """Return the members of each label, effects along the directions `basis` [D, G].

        Sets are padded to the largest of them and at least to `size`.
        """
        sets = [[self.row[name] for name in members_of(label)] for label in labels]
        width = max([size, *(len(each) for each in sets)])
        ids = np.full((len(sets), width), -1, dtype=np.int64)
        for line, each in enumerate(sets):
            ids[line, : len(each)] = each
        shown = np.maximum(ids, 0)
        there = (ids >= 0)[..., None]
        effects = (self.effects @ basis.T)[shown] * there
        priors = self.priors[shown] * there
        return Members(*(torch.from_numpy(part) for part in (effects, priors, ids)))

    def sums(self, labels: Sequence[str]) -> np.ndarray:
        """Return the sum of the members' effects [labels, G]."""
        rows = [[self.row[name] for name in members_of(label)] for label in labels]
        total = [self.effects[each].sum(axis=0) for each in rows]
        return np.asarray(total).reshape(len(labels), self.effects.shape[1])
