"""After fitting: what validation perturbations say about trust and interval widths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import (
    COMBINATION,
    MODEL,
    NO_CHANGE,
    NOVEL,
    SUM,
    TRAINING_MEAN,
    Calibration,
    Choice,
    believed_of,
)
from gpjepa.inference.calibration import FEWEST as FEWEST_CALIBRATED
from gpjepa.inference.error_bars import explain, kind_of
from gpjepa.inference.evidence import Evidence
from gpjepa.model.gpjepa import WorldModel
from gpjepa.training.error_fit import Residuals, fit_errors
from gpjepa.training.measured_effects import ERROR_FLOOR, MeasuredEffects
from gpjepa.training.shrinkage import Posterior
from gpjepa.training.validation import EffectValidation

LEAST_SCALE = 0.02  # of the shift of a member whose features nothing speaks for
SCALES = (0.2, 0.4, 0.6, 0.8, 1.0)
TRUSTS = (0.0, 0.5, 1.0)
FEWEST = 3
SURE = 1.0  # standard errors by which a rival must be closer to take the model's place
LEAST_NOISE = 0.25  # of the sampling variance, that residuals hold whatever is shared
SMALLEST = 1e-8
TIE = 1.0 - 1e-4  # of the sum's error, above which the model is no better
FEWEST_NOVEL = 6  # validation perturbations from which trust is learned
PRIOR_WEIGHT = 2.0  # validation perturbations' worth of belief in leaving a novel member out
LEAST_GAIN = 0.02  # of the error, for novel members to be called supported


class Proof(NamedTuple):
    """What it takes for a rival to replace the model: perturbations, standard errors closer."""

    perturbations: int = FEWEST
    sure: float = SURE


ANY_PROOF = Proof()
LEARNED = Proof(FEWEST_NOVEL, 2.0)  # where training singles left out speak for the model


def calibrate(
    model: WorldModel,
    validation: EffectValidation,
    training: MeasuredEffects,
    vocabulary: Vocabulary,
    gated: np.ndarray,
) -> Calibration:
    """Choose how far unmeasured members are trusted and what predictions are taken from.

    Then their errors are fitted, by kind. `gated` [G] marks the genes that errors are judged on.
    The trust scales are set in `model`.
    """
    observed, known = validation.observed, training.posterior
    novel = ~validation.measured
    supports_novel = _choose_trust(model, validation, novel, gated)
    supports_novel = supports_novel or _relations_hold(model, validation, novel, gated)
    evidence = evidence_of(training, known)
    found = Calibration({}, {}, len(observed.labels), False, supports_novel, evidence)
    if not len(observed.labels):
        return found
    predicted = validation.predict(model)
    truth = observed.effect - known.shared
    rivals = _rivals(observed.labels, evidence)
    kinds = np.array([kind_of(label, vocabulary, evidence) for label in observed.labels])
    errors, choices = {}, {}
    for kind in (COMBINATION, NOVEL):
        rows = np.flatnonzero(kinds == kind)
        if not len(rows):
            continue
        offered = {name: each[rows] for name, each in rivals[kind].items()}
        proof = LEARNED if kind == NOVEL and _supported(model) else ANY_PROOF
        choices[kind] = choose_source(predicted[rows], offered, truth[rows], gated, proof)
        chosen = {MODEL: predicted[rows], **offered}[choices[kind].source]
        noise = _noise(observed.take(rows), known.left, chosen, rivals[SUM][rows], gated)
        labels = tuple(observed.labels[row] for row in rows)
        made = explain(model, vocabulary, evidence, labels, chosen)
        left = Residuals(
            (truth[rows] - chosen)[:, gated], noise, made.components[..., gated], made.size
        )
        errors[kind] = fit_errors(left, believed_of(kind), FEWEST_CALIBRATED)
    choice = choices.get(COMBINATION, Choice())
    supports = choice.perturbations >= FEWEST and choice.errors[MODEL] < TIE * choice.errors[SUM]
    return replace(found, errors=errors, choices=choices, supports_interactions=supports)


def evidence_of(training: MeasuredEffects, known: Posterior) -> Evidence:
    """Return what is kept of the measured effects for error bars and fallbacks."""
    doubles = [len(members_of(label)) > 1 for label in training.labels]
    sampling = np.maximum(training.error**2 - ERROR_FLOOR**2, 0.0)
    noise = sampling[doubles] if any(doubles) else sampling
    effects = (training.effect, np.sqrt(sampling), known.mean, known.deviation)
    arrays = (*effects, noise.mean(axis=0), known.shared)
    rounded = (array.astype(np.float32).astype(np.float64) for array in arrays)  # as when saved
    return Evidence(training.labels, *rounded)


def choose_source(
    predicted: np.ndarray,
    rivals: dict[str, np.ndarray],
    truth: np.ndarray,
    gated: np.ndarray,
    proof: Proof = ANY_PROOF,
) -> Choice:
    """Return what comes closest to the `truth` [P, G] by mean distance over perturbations.

    A rival takes the model's place where `proof` is given, by standard errors of the paired
    difference, and by more than the model itself needs to claim a gain.
    """
    own = np.linalg.norm((predicted - truth)[:, gated], axis=1)
    errors, best, margin = {MODEL: float(own.mean())}, MODEL, 0.0
    for name, rival in rivals.items():
        error = np.linalg.norm((rival - truth)[:, gated], axis=1)
        errors[name] = float(error.mean())
        if len(truth) < proof.perturbations:
            continue
        noise = proof.sure * float((own - error).std(ddof=1)) / np.sqrt(len(truth))
        if errors[name] < min(errors[MODEL] - noise, errors[best]):
            best, margin = name, noise
    return Choice(best, errors, margin, len(truth))


def _rivals(labels: tuple[str, ...], evidence: Evidence) -> dict[str, Any]:
    """Return what may take the model's place, by kind, and the sums of measured singles."""
    sums = evidence.sums(labels)
    nothing = np.zeros_like(sums)
    mean = nothing + evidence.mean
    return {
        SUM: sums,
        COMBINATION: {SUM: sums, TRAINING_MEAN: mean, NO_CHANGE: nothing},
        NOVEL: {TRAINING_MEAN: mean, NO_CHANGE: nothing},
    }


def _noise(
    observed: MeasuredEffects,
    left: np.ndarray,
    predicted: np.ndarray,
    sums: np.ndarray,
    gated: np.ndarray,
) -> np.ndarray:
    """Return what of the squared residuals [P, H] is not the squared error of the prediction.

    That is the sampling variance of the perturbed cells, and 1 − 2κ times the control's: one
    control stands behind observed and predicted effects, so that a prediction that holds its
    error κ times differs less from what is observed than from the truth. κ is the number of
    members times the share of their measured sum that the prediction keeps.
    """
    members = np.array([len(members_of(label)) for label in observed.labels])
    own, whole = predicted[:, gated], sums[:, gated]
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = members * (own * whole).sum(axis=1) / (whole**2).sum(axis=1)
    kept = np.clip(np.nan_to_num(kept), 0.0, members)
    sampling = np.maximum(observed.error[:, gated] ** 2 - ERROR_FLOOR**2, SMALLEST)
    shared = (1.0 - 2.0 * kept[:, None]) * left[gated]
    return np.maximum(sampling + shared, LEAST_NOISE * sampling)


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
    if not _supported(model):
        return False
    if novel.sum() < FEWEST_NOVEL:
        return True
    truth = validation.observed.effect[novel][:, gated]
    error = validation.predict(model)[novel][:, gated] - truth
    closer = np.linalg.norm(error, axis=1).sum() < np.linalg.norm(truth, axis=1).sum()
    return bool(closer)


def _supported(model: WorldModel) -> bool:
    """Say whether relations between genes predicted training singles left out."""
    composition = model.predictor.composition
    return composition is not None and bool(composition.supported)
