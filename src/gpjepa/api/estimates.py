"""Predicted mean effects as they are answered: their source, error bars and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.api.contexts import Told
from gpjepa.api.populations import Start
from gpjepa.core.random import numpy_stream
from gpjepa.inference.calibration import (
    COMBINATION,
    CONTEXTS,
    MODEL,
    NO_CHANGE,
    NOVEL,
    SUM,
    TRAINING_MEAN,
)
from gpjepa.inference.error_bars import ErrorBars, error_bars, kind_of
from gpjepa.inference.judgement import novelty, refine, verdict

CHUNK = 500  # labels whose errors are held at once


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
    context = start.in_context

    def source(label: str) -> str:
        if context is not None and context.knows(label):
            return CONTEXTS
        return calibration.choice(kind_of(label, vocabulary, calibration.evidence)).source

    return tuple(source(label) for label in labels)


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
        elif source == CONTEXTS:
            found[row] = _told(start, label).effect
    return found


def estimate(start: Start, labels: Sequence[str], predicted: np.ndarray) -> Estimates:
    """Return the answers for labels of which the model predicts the effects `predicted` [P, G]."""
    bundle, names = start.bundle, tuple(labels)
    effects = taken_from(start, names, predicted)
    bars = error_bars(bundle.model, bundle.vocabulary, bundle.calibration, names, effects)
    features = bundle.model.condition.features
    far = tuple(novelty(bundle.vocabulary, features, name) for name in names)
    sources, told = sources_of(start, names), verdicts(start, names, far)
    for row, source in enumerate(sources):
        if source == CONTEXTS:
            bars.scale[row] = bars.deviation[row] = _told(start, names[row]).deviation
    return Estimates(names, effects, sources, bars, far, told)


def judged(start: Start, labels: Sequence[str]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return novelty and verdict of each label: the same wherever they are told."""
    vocabulary, features = start.bundle.vocabulary, start.bundle.model.condition.features
    far = tuple(novelty(vocabulary, features, name) for name in labels)
    return far, verdicts(start, tuple(labels), far)


def verdicts(start: Start, labels: tuple[str, ...], far: Sequence[float]) -> tuple[str, ...]:
    """Return what to make of the prediction of each label, given their novelty.

    Where the model is the source it is decided by the effect that the composition aims at and by
    the error expected of it, on the genes that effects are composed on, so it depends on no choice
    of control cells. What contexts tell is judged by its own expected error. Elsewhere what
    validation supports decides.
    """
    bundle = start.bundle
    told = [
        verdict(bundle.vocabulary, bundle.calibration, name, own)
        for name, own in zip(labels, far, strict=True)
    ]
    sources = sources_of(start, labels)
    for row, source in enumerate(sources):
        if source == CONTEXTS:
            told[row] = _refined_in_context(start, labels[row], told[row])
    evidence = bundle.calibration.evidence
    if bundle.model.predictor.composition is None or evidence is None:
        return tuple(told)
    kinds = [kind_of(name, bundle.vocabulary, evidence) for name in labels]
    rows = [
        row
        for row, (source, kind) in enumerate(zip(sources, kinds, strict=True))
        if source == MODEL and kind in (COMBINATION, NOVEL)
    ]
    for at in range(0, len(rows), CHUNK):
        part = rows[at : at + CHUNK]
        some = _refined(start, [labels[row] for row in part], [told[row] for row in part])
        for row, own in zip(part, some, strict=True):
            told[row] = own
    return tuple(told)


def _told(start: Start, label: str) -> Told:
    """Return what contexts tell of a label whose source they are."""
    assert start.in_context is not None
    return start.in_context.told(label)


def _refined_in_context(start: Start, label: str, coarse: str) -> str:
    """Return the verdict on what contexts tell, by its expected error."""
    assert start.in_context is not None
    compared = start.in_context.contexts.compared
    effect, deviation = (each[compared] for each in start.in_context.told(label))
    return refine(coarse, effect, deviation, np.full_like(effect, np.nan))


def _refined(start: Start, labels: Sequence[str], coarse: Sequence[str]) -> list[str]:
    """Return the verdicts on predictions of the model."""
    names, evidence = tuple(labels), start.bundle.calibration.evidence
    assert evidence is not None
    genes, effects, deviations = aimed_at(start, names)
    sums = evidence.sums(names)[:, genes]
    return [
        refine(own, effect, deviation, total)
        for own, effect, deviation, total in zip(coarse, effects, deviations, sums, strict=True)
    ]


def aimed_at(start: Start, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the genes [H] that effects are composed on, what is aimed at there, and its error.

    Effects and standard deviations [P, H] are in log1p pseudobulk units; no control cell has a
    part in them. Needs a model that composes effects.
    """
    bundle = start.bundle
    composition = bundle.model.predictor.composition
    assert composition is not None
    genes = composition.genes.cpu().numpy()
    members = torch.from_numpy(bundle.vocabulary.encode(labels)).to(composition.genes.device)
    effects = np.zeros((len(labels), bundle.model.decoder.genes))
    effects[:, genes] = composition.target(members).double().cpu().numpy()
    bars = error_bars(bundle.model, bundle.vocabulary, bundle.calibration, labels, effects)
    return genes, effects[:, genes], bars.deviation[:, genes]


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
