"""After fitting: what validation perturbations say about trust and interval widths."""

from __future__ import annotations

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import Calibration, half_widths
from gpjepa.model.gpjepa import WorldModel
from gpjepa.training.measured_effects import MeasuredEffects
from gpjepa.training.validation import EffectValidation

SCALES = tuple(round(0.1 * step, 1) for step in range(11))
TRUSTS = (0.0, 0.5, 1.0)
DEFAULT_SCALE = 0.5  # of the shift of a member that no validation perturbation speaks for
FEWEST = 3
PRIOR_WEIGHT = 1.0  # validation perturbations' worth of belief in no change


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
    """Set feature trust and scale of novel members by squared error; say if they beat no change.

    One pseudo-perturbation for which no change is right keeps few perturbations from claiming
    much.
    """
    condition = model.condition
    if novel.sum() < FEWEST:
        condition.novel_scale.fill_(DEFAULT_SCALE)
        condition.feature_trust.fill_(0.5)
        return False
    truth = validation.observed.effect[novel][:, gated]
    nothing = float((truth**2).sum())
    best, choice = nothing, (0.0, 0.0)
    for trust in TRUSTS:
        condition.feature_trust.fill_(trust)
        for scale in SCALES[1:]:
            condition.novel_scale.fill_(scale)
            predicted = validation.predict(model)[novel][:, gated]
            error = float(((predicted - truth) ** 2).sum())
            error += PRIOR_WEIGHT * float((predicted**2).sum()) / len(truth)
            if error < best:
                best, choice = error, (trust, scale)
    condition.feature_trust.fill_(choice[0])
    condition.novel_scale.fill_(choice[1])
    return choice[1] > 0.0 and best < 0.95 * nothing


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
