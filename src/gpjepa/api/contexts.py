"""Effects asked for in one context, such as a cell type: as it and similar ones measured them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpjepa.api.controls import ControlCells
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.calibration import Calibration
from gpjepa.inference.contexts import Contexts
from gpjepa.inference.evidence import Evidence

FEWEST = 8  # perturbations from which denoising has something to learn from


class Told(NamedTuple):
    """An effect [G] in log1p pseudobulk units and the standard deviation [G] of its error."""

    effect: np.ndarray
    deviation: np.ndarray


class InContext:
    """What trained contexts tell of the one that the control cells are of.

    Effects are in pseudobulk units at `target`. What is told is worked out once.
    """

    def __init__(
        self, contexts: Contexts, evidence: Evidence, cells: ControlCells, target: float
    ) -> None:
        self.contexts, self.evidence = contexts, evidence
        self.scale = target / contexts.target
        self.profile = pseudobulk(cells.table.counts, cells.table.library, contexts.target)
        self._told: dict[str, Told] = {}

    def knows(self, label: str) -> bool:
        """Tell whether a label was measured in contexts enough."""
        return label in self.contexts.rows

    def told(self, label: str) -> Told:
        """Return the effect of a label in the context of the control cells.

        It is the effect of all contexts together, denoised where there are perturbations enough,
        and the departure that this one and those with similar control cells measured. Raises
        `KeyError` for a label that was measured in too few.
        """
        if label not in self._told:
            self._told[label] = self._tell(label)
        return self._told[label]

    def _tell(self, label: str) -> Told:
        evidence, profile = self.evidence, self.profile
        departure, variance = self.contexts.predict(label, profile)
        row, many = evidence.row[label], len(evidence.labels) >= FEWEST
        whole = (evidence.denoised if many else evidence.measured)[row]
        error = (evidence.deviation if many else evidence.error)[row]
        level = np.maximum(profile + whole + departure, 0.0)
        before, after = np.expm1(profile), np.expm1(level)
        effect = np.log1p(self.scale * after) - np.log1p(self.scale * before)
        return Told(effect, np.sqrt(variance + error**2))


def in_context(calibration: Calibration, cells: ControlCells, target: float) -> InContext | None:
    """Return what trained contexts tell of the one that control cells are of.

    None unless all cells are of one context, trained or not, and contexts left out in turn were
    predicted better so than by the mean of the others.
    """
    contexts, evidence = calibration.contexts, calibration.evidence
    if contexts is None or evidence is None or not contexts.supported:
        return None
    values = cells.levels.get(contexts.column)
    if values is None or len(set(values.astype(str))) != 1:
        return None
    return InContext(contexts, evidence, cells, target)
