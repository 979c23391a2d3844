"""Effects asked for in one context, such as a cell type: as it and similar ones measured them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpjepa.api.populations import Start
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.contexts import Contexts

FEWEST = 8  # perturbations from which denoising has something to learn from


class Told(NamedTuple):
    """An effect [G] in log1p pseudobulk units and the standard deviation [G] of its error."""

    effect: np.ndarray
    deviation: np.ndarray


def trained_contexts(start: Start) -> Contexts | None:
    """Return what trained contexts tell of the one that the control cells are of.

    None unless all cells are of one context, trained or not, and contexts left out in turn were
    predicted better so than by the mean of the others.
    """
    contexts = start.bundle.calibration.contexts
    if contexts is None or not contexts.supported:
        return None
    values = start.cells.levels.get(contexts.column)
    return None if values is None or len(set(values.astype(str))) != 1 else contexts


def told_in_context(start: Start, contexts: Contexts, label: str) -> Told:
    """Return the effect of a label in the context of the control cells, as contexts tell it.

    It is the effect of all contexts together, denoised where there are perturbations enough, and
    the departure that this one and those with similar control cells measured. Raises `KeyError`
    for a label that was measured in too few.
    """
    evidence = start.bundle.calibration.evidence
    assert evidence is not None  # contexts are fitted beside it
    table, target = start.cells.table, contexts.target
    profile = pseudobulk(table.counts, table.library, target)
    departure, variance = contexts.predict(label, profile)
    row, many = evidence.row[label], len(evidence.labels) >= FEWEST
    whole = (evidence.denoised if many else evidence.measured)[row]
    error = (evidence.deviation if many else evidence.error)[row]
    level = np.maximum(profile + whole + departure, 0.0)
    scale = start.target / target
    before, after = np.expm1(profile), np.expm1(level)
    effect = np.log1p(scale * after) - np.log1p(scale * before)
    return Told(effect, np.sqrt(variance + error**2))
