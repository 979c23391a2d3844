"""A context that was left out: what the other contexts measured of the same perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.errors import DataError, unknown
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.pseudobulk import group_pseudobulk, pseudobulk

if TYPE_CHECKING:
    from gpjepa.data.perturbseq import PerturbSeq

NAME = "mean elsewhere"


@dataclass(frozen=True, eq=False)
class MeanElsewhere:
    """Predict the mean effect of the same perturbation in the other contexts.

    A row is NaN where no other context has measured it. Source: the comparison that vector
    arithmetic in a latent space (Lotfollahi et al. 2019, scGen) has to beat.
    """

    table: EffectTable
    name: str = NAME
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G]."""
        found = np.full((len(labels), self.table.effects.shape[1]), np.nan)
        for index, label in enumerate(labels):
            if label in self.table.row:
                found[index] = self.table.effects[self.table.row[label]]
        return found


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """The control pseudobulk [G] of each context but the held-out one, log1p units."""

    column: str
    held_out: str
    control: dict[str, np.ndarray]
    target: float

    @classmethod
    def measure(cls, data: PerturbSeq, column: str, held_out: str, target: float) -> Elsewhere:
        """Measure the controls of the contexts that have any."""
        context = data.covariate(column)
        control = {}
        for level in sorted(set(context.astype(str)) - {held_out}):
            cells = np.flatnonzero((context == level) & data.is_control)
            if len(cells):
                control[level] = pseudobulk(data.counts[cells], data.library[cells], target)
        return cls(column, held_out, control, target)

    def note(self) -> str:
        """Say which contexts the effects are of."""
        return f"{self.column} other than {self.held_out}: {', '.join(self.control) or 'none'}"

    def table(self, data: PerturbSeq, base: np.ndarray) -> EffectTable:
        """Return the mean effect of each perturbation over the contexts that measured it.

        Each effect is the difference to the control of its own context; contexts count by their
        perturbed cells. `base` [G] is the control's pseudobulk in the held-out context.
        """
        context = data.covariate(self.column)
        names = tuple(data.perturbations)
        position = {name: index for index, name in enumerate(names)}
        codes = np.array([position.get(str(label), -1) for label in data.labels], dtype=np.int64)
        total = np.zeros((len(names), data.n_genes))
        cells = np.zeros(len(names))
        for level, control in self.control.items():
            inside = np.where(context == level, codes, -1)
            number = np.bincount(inside[inside >= 0], minlength=len(names))
            states = group_pseudobulk(data.counts, data.library, inside, len(names), self.target)
            there = number > 0
            total[there] += number[there, None] * (states[there] - control)
            cells += number
        kept = np.flatnonzero(cells > 0)
        effects = total[kept] / cells[kept, None]
        return EffectTable(tuple(names[index] for index in kept), effects, data.genes, base)


def controls_in(data: PerturbSeq, column: str, context: str) -> np.ndarray:
    """Mark the control cells of a context; raise `DataError` when it has none."""
    values = data.covariate(column)
    chosen = (values == context) & data.is_control
    if not chosen.any():
        known = sorted(set(values[data.is_control].astype(str)))
        raise DataError(
            unknown(
                f"{column} with control cells",
                context,
                known,
                f"name a {column} of which there are control cells",
            )
        )
    return chosen
