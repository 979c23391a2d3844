"""What the errors of predicted effects are made of, and how large each is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gpjepa.data.labels import members_of
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import COMBINATION, NOVEL, Calibration
from gpjepa.inference.error_model import normal
from gpjepa.inference.evidence import Evidence
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.gpjepa import WorldModel

Array = NDArray[np.float64]
MEASURED, CONTROL_KIND = "measured", "control"
LEAST = 0.05  # of the squared spread that is error, whatever of it is sampling noise
TINY = 1e-12


class Explained(NamedTuple):
    """Variances [C, P, G] that errors of P predictions may be made of, and their sizes [P]."""

    components: Array
    size: Array


def kind_of(label: str, vocabulary: Vocabulary, evidence: Evidence | None) -> str:
    """Return how a label is predicted: control, measured alone, a combination, or novel."""
    members = members_of(label)
    if not members:
        return CONTROL_KIND
    together = vocabulary.in_combination_only
    known = all(vocabulary.is_measured(own) and own not in together for own in members)
    if not known or (evidence is not None and not evidence.alone(label)):
        return NOVEL
    if len(members) > 1:
        return COMBINATION
    return NOVEL if evidence is None else MEASURED


def explain(
    model: WorldModel,
    vocabulary: Vocabulary,
    evidence: Evidence | None,
    labels: tuple[str, ...],
    predicted: Array,
) -> Explained:
    """Return what may make `predicted` effects [P, G] wrong, in squared log1p units.

    By component: the mean error of the perturbation's genes that its composition, or its place
    among relations, expects, with what its members' own errors add; the same gene by gene; the
    size of the effect, on genes that respond to much (of a gene never perturbed: how much each
    gene responds); and the gene's own effect, which counts as far as it does not stand out of the
    expected error. Genes that nothing was composed on take the perturbation's values, as far as
    they respond.
    """
    composition, width = model.predictor.composition, predicted.shape[1]
    genes = np.arange(width) if composition is None else composition.genes.cpu().numpy()
    size = (predicted[:, genes] ** 2).mean(axis=1, keepdims=True)
    response, doubt = np.repeat(size, width, axis=1), np.zeros_like(predicted)
    noise = np.zeros(len(genes))
    share = np.ones(width)
    if evidence is not None:
        share = evidence.response / max(evidence.response[genes].mean(), TINY)
        doubt = evidence.doubt(labels)
        known = np.array([evidence.alone(label) for label in labels])[:, None]
        response = np.where(known, size * share, evidence.response)
        noise = np.where(known, evidence.doubles_noise[genes], 0.0)
    within = np.ones(width)
    outside = np.setdiff1d(np.arange(width), genes)
    within[outside] = np.minimum(share[outside], 1.0)
    expected = _expected(composition, vocabulary, labels)
    if expected is None:
        composed = response[:, genes]
    else:
        kept = np.maximum(expected - noise, LEAST * expected)
        composed = np.where(np.isfinite(expected), kept, response[:, genes])
    own = composed.mean(axis=1, keepdims=True) * within
    own[:, genes] = composed
    each = own + doubt
    mean = each[:, genes].mean(axis=1, keepdims=True) * within
    effect = np.abs(predicted) * mean / np.sqrt(predicted**2 + mean + TINY)
    return Explained(np.stack((mean, each, response, effect)), np.sqrt(size[:, 0]))


def _expected(
    composition: EffectComposition | None, vocabulary: Vocabulary, labels: tuple[str, ...]
) -> Array | None:
    """Return the squared error [P, H] that the composition expects, NaN where it knows none."""
    if composition is None:
        return None
    members = torch.from_numpy(vocabulary.encode(labels)).to(composition.genes.device)
    return np.asarray(composition.spread(members).double().cpu().numpy() ** 2)


class ErrorBars(NamedTuple):
    """Errors of predictions: `scale` [P, G] times a quantile is half an interval.

    `deviation` [P, G] are standard deviations; `calibrated` [P] tells where validation
    perturbations stand behind them.
    """

    scale: Array
    deviation: Array
    kinds: tuple[str, ...]
    calibrated: NDArray[np.bool_]

    def half_widths(self, calibration: Calibration, level: float) -> Array:
        """Return half of each interval [P, G] at `level`; `ConfigError` outside (0, 1)."""
        models = {kind: calibration.error_model(kind) for kind in set(self.kinds)}
        models |= {MEASURED: normal(), CONTROL_KIND: normal()}
        wide = [models[kind].quantile(level) for kind in self.kinds]
        return self.scale * np.array(wide)[:, None]


def error_bars(
    model: WorldModel,
    vocabulary: Vocabulary,
    calibration: Calibration,
    labels: tuple[str, ...],
    predicted: Array,
) -> ErrorBars:
    """Return how far off `predicted` effects [P, G] may be.

    A perturbation measured alone is as uncertain as its denoised effect, and as the prediction is
    off that; its error is normal. Others have the error model of their kind.
    """
    evidence = calibration.evidence
    kinds = tuple(kind_of(label, vocabulary, evidence) for label in labels)
    scale, deviation = np.zeros_like(predicted), np.zeros_like(predicted)
    calibrated = np.ones(len(labels), dtype=bool)
    for kind in sorted(set(kinds)):
        rows = np.flatnonzero([own == kind for own in kinds])
        some = tuple(labels[row] for row in rows)
        if kind == CONTROL_KIND:
            continue
        if kind == MEASURED and evidence is not None:
            at = [evidence.row[label] for label in some]
            off = predicted[rows] - evidence.denoised[at]
            scale[rows] = deviation[rows] = np.hypot(evidence.deviation[at], off)
            continue
        own = calibration.error_model(kind)
        made = explain(model, vocabulary, evidence, some, predicted[rows])
        variance = own.variance(*made)
        scale[rows], deviation[rows] = np.sqrt(variance), np.sqrt(own.spread * variance)
        calibrated[rows] = own.calibrated
    return ErrorBars(scale, deviation, kinds, calibrated)
