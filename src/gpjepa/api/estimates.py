"""Predicted mean effects as they are answered: their source, error bars and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.api.populations import Start
from gpjepa.core.random import numpy_stream
from gpjepa.inference.calibration import (
    COMBINATION,
    MODEL,
    NO_CHANGE,
    NOVEL,
    SUM,
    TRAINING_MEAN,
)
from gpjepa.inference.error_bars import ErrorBars, error_bars, kind_of
from gpjepa.inference.judgement import novelty, refine, verdict


@dataclass(frozen=True, eq=False)
class Estimates:
    """Mean effects [P, G] in log1p pseudobulk units, and how far each is to be believed.

    `sources` says what each row was taken from: the model, or what validation found to be better
    for predictions of its kind.
    """

    labels: tuple[str, ...]
    effects: np.ndarray
    sources: tuple[str, ...]
    bars: ErrorBars
    novelty: tuple[float, ...]
    verdicts: tuple[str, ...]


def sources_of(start: Start, labels: Sequence[str]) -> tuple[str, ...]:
    """Return what the prediction of each label is taken from."""
    calibration, vocabulary = start.bundle.calibration, start.bundle.vocabulary
    kinds = (kind_of(label, vocabulary, calibration.evidence) for label in labels)
    return tuple(calibration.choice(kind).source for kind in kinds)


def taken_from(start: Start, labels: Sequence[str], predicted: np.ndarray) -> np.ndarray:
    """Return effects [P, G]: `predicted` ones, or those of the source that validation prefers."""
    evidence, found = start.bundle.calibration.evidence, predicted.copy()
    if evidence is None:
        return found
    for row, (label, source) in enumerate(zip(labels, sources_of(start, labels), strict=True)):
        if source == SUM:
            found[row] = evidence.sums((label,))[0]
        elif source == TRAINING_MEAN:
            found[row] = evidence.mean
        elif source == NO_CHANGE:
            found[row] = 0.0
    return found


def estimate(start: Start, labels: Sequence[str], predicted: np.ndarray) -> Estimates:
    """Return the answers for labels of which the model predicts the effects `predicted` [P, G]."""
    bundle, names = start.bundle, tuple(labels)
    effects = taken_from(start, names, predicted)
    bars = error_bars(bundle.model, bundle.vocabulary, bundle.calibration, names, effects)
    features = bundle.model.condition.features
    far = tuple(novelty(bundle.vocabulary, features, name) for name in names)
    told = []
    sources = sources_of(start, names)
    for row, name in enumerate(names):
        coarse = verdict(bundle.vocabulary, bundle.calibration, name, far[row])
        own = sources[row] == MODEL and bars.kinds[row] in (COMBINATION, NOVEL)
        told.append(_refined(start, coarse, row, effects, bars, name) if own else coarse)
    return Estimates(names, effects, sources, bars, far, tuple(told))


def _refined(
    start: Start, coarse: str, row: int, effects: np.ndarray, bars: ErrorBars, name: str
) -> str:
    """Return the verdict of one prediction of the model, on the genes effects are composed on."""
    composition = start.bundle.model.predictor.composition
    evidence = start.bundle.calibration.evidence
    if composition is None or evidence is None:
        return coarse
    genes = composition.genes.cpu().numpy()
    sums = evidence.sums((name,))[0]
    return refine(coarse, effects[row, genes], bars.deviation[row, genes], sums[genes])


def drawn(start: Start, found: Estimates, seed: int) -> np.ndarray:
    """Return effects [P, G] that the truth may be: each estimate moved by one draw of its error.

    Genes err together as training effects vary together, scaled to each gene's own error.
    """
    evidence = start.bundle.calibration.evidence
    moved = found.effects.copy()
    for row, label in enumerate(found.labels):
        rng = numpy_stream(seed, "epistemic", label)
        if evidence is None:
            unit = np.full(moved.shape[1], rng.normal())
        else:
            length = np.sqrt((evidence.denoised**2).sum(axis=0))
            mixed = rng.normal(size=len(evidence.labels)) @ evidence.denoised
            alone = rng.normal(size=moved.shape[1])
            unit = np.where(length > 0, mixed / np.where(length > 0, length, 1.0), alone)
        moved[row] += unit * found.bars.deviation[row]
    return moved
