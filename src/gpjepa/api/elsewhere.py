"""Effects in a context that no perturbed cell trained in, such as another cell type."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpjepa.api.populations import Start
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.contexts import Contexts


class Told(NamedTuple):
    """An effect [G] in log1p pseudobulk units and the standard deviation [G] of its error."""

    effect: np.ndarray
    deviation: np.ndarray


def unseen_context(start: Start) -> Contexts | None:
    """Return what trained contexts tell of the one that the control cells are of.

    None unless every cell is of a context without perturbed training cells, and contexts left out
    in turn were predicted better so than by the mean of the others.
    """
    contexts = start.bundle.calibration.contexts
    if contexts is None or not contexts.supported:
        return None
    values = start.cells.levels.get(contexts.column)
    if values is None or set(values.astype(str)) & contexts.measured:
        return None
    return contexts


def told_elsewhere(start: Start, contexts: Contexts, label: str) -> Told:
    """Return the effect of a label in the context of the control cells, as others tell it.

    It is the denoised effect of all contexts and the departure that those with similar control
    cells measured. Raises `KeyError` for a label that was measured in too few of them.
    """
    evidence = start.bundle.calibration.evidence
    assert evidence is not None  # contexts are fitted beside it
    table, target = start.cells.table, contexts.target
    profile = pseudobulk(table.counts, table.library, target)
    departure, variance = contexts.predict(label, profile)
    row = evidence.row[label]
    level = np.maximum(profile + evidence.denoised[row] + departure, 0.0)
    scale = start.target / target
    before, after = np.expm1(profile), np.expm1(level)
    effect = np.log1p(scale * after) - np.log1p(scale * before)
    return Told(effect, np.sqrt(variance + evidence.deviation[row] ** 2))
