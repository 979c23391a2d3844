"""After fitting: what validation perturbations say about trust and interval widths."""

from __future__ import annotations

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import Calibration, half_widths
from gpjepa.model.gpjepa import WorldModel
from gpjepa.training.measured_effects import MeasuredEffects
from gpjepa.training.validation import EffectValidation

LEAST_SCALE = 0.02  # of the shift of a member whose features nothing speaks for
SCALES = (0.2, 0.4, 0.6, 0.8, 1.0)
TRUSTS = (0.0, 0.5, 1.0)
FEWEST = 3
FEWEST_NOVEL = 6  # validation perturbations from which trust is learned
PRIOR_WEIGHT = 2.0  # validation perturbations' worth of belief in leaving a novel member out
LEAST_GAIN = 0.02  # of the error, for novel members to be called supported


def calibrate(
    model: WorldModel,
    validation: EffectValidation,
    training: MeasuredEffects,
    vocabulary: Vocabulary,
    gated: np.ndarray,
) -> Calibration:
    """Choose how far unmeasured members are trusted, then measure residuals.

    `gated` [G] marks the genes that residuals are taken on. The trust scales are set in `model`.
    """
    observed = validation.observed
    novel = ~validation.measured
    supports_novel = _choose_trust(model, validation, novel, gated)
    supports_novel = supports_novel or _relations_hold(model, validation, novel, gated)
    if not len(observed.labels):
        widths = half_widths(training.effect[:, gated])
        return Calibration(widths, 0, False, supports_novel)
    predicted = validation.predict(model)
    residual = (observed.effect - predicted)[:, gated]
    supports = _beats_sum(residual, observed, training, vocabulary, gated)
    return Calibration(half_widths(residual), len(observed.labels), supports, supports_novel)


def _choose_trust(
    model: WorldModel, validation: EffectValidation, novel: np.ndarray, gated: np.ndarray
) -> bool:
    """Set feature trust and scale of novel members; say if trusting them beats leaving them out.

    Judged by squared error over squared effect, averaged over validation perturbations with a
    novel member, with a penalty that keeps few of them from claiming much.
    """
    condition = model.condition
    condition.feature_trust.fill_(1.0)
    condition.novel_scale.fill_(LEAST_SCALE)
    if novel.sum() < FEWEST_NOVEL:
        return False
    truth = validation.observed.effect[novel][:, gated]
    size = (truth**2).sum(axis=1)
    base = validation.predict(model)[novel][:, gated]
    nothing = float((((base - truth) ** 2).sum(axis=1) / size).mean())
    best, choice = nothing, (1.0, LEAST_SCALE)
    for trust in TRUSTS:
        condition.feature_trust.fill_(trust)
        for scale in SCALES:
            condition.novel_scale.fill_(scale)
            predicted = validation.predict(model)[novel][:, gated]
            error = ((predicted - truth) ** 2).sum(axis=1) / size
            penalty = float((((predicted - base) ** 2).sum(axis=1) / size).mean())
            score = float(error.mean()) + penalty * PRIOR_WEIGHT / len(truth)
            if score < best:
                best, choice = score, (trust, scale)
    condition.feature_trust.fill_(choice[0])
    condition.novel_scale.fill_(choice[1])
    return best < (1.0 - LEAST_GAIN) * nothing


def _relations_hold(
    model: WorldModel, validation: EffectValidation, novel: np.ndarray, gated: np.ndarray
) -> bool:
    """Say whether effects placed by relations between genes are to be believed.

    They are where relations predicted training singles left out, and, with enough validation
    perturbations to ask, where these come closer than no change.
    """
    composition = model.predictor.composition
    if composition is None or not bool(composition.supported):
        return False
    if novel.sum() < FEWEST_NOVEL:
        return True
    truth = validation.observed.effect[novel][:, gated]
    error = validation.predict(model)[novel][:, gated] - truth
    closer = np.linalg.norm(error, axis=1).sum() < np.linalg.norm(truth, axis=1).sum()
    return bool(closer)


def _beats_sum(
    residual: np.ndarray,
    observed: MeasuredEffects,
    training: MeasuredEffects,
    vocabulary: Vocabulary,
    gated: np.ndarray,
) -> bool:
    """Say whether the model beats the sum of measured singles on validation combinations."""
    position = {label: row for row, label in enumerate(training.labels)}
    own, additive = [], []
    for row, label in enumerate(observed.labels):
        members = members_of(label)
        if len(members) > 1 and all(member in position for member in members):
            total = sum(training.effect[position[member]][gated] for member in members)
            additive.append(np.linalg.norm(observed.effect[row][gated] - total))
            own.append(np.linalg.norm(residual[row]))
    return len(own) >= FEWEST and float(np.mean(own)) < float(np.mean(additive))
