"""From a chosen network to a finished model: aligned, calibrated, and composed of all doubles."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.inference.calibration import Calibration
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.gpjepa import WorldModel
from gpjepa.training.alignment import Alignment
from gpjepa.training.calibrate import calibrate
from gpjepa.training.checkpoint import Progress
from gpjepa.training.escalation import HeadChoice
from gpjepa.training.measured_effects import MeasuredEffects
from gpjepa.training.prepare import Prepared
from gpjepa.training.responder_effects import compose_responders as joined
from gpjepa.training.responder_effects import responder_effects
from gpjepa.training.responder_fit import FEWEST_CELLS, fit_responders
from gpjepa.training.validation import EffectValidation

Compose = Callable[[MeasuredEffects], EffectComposition | None]
Choose = Callable[[WorldModel], tuple[HeadChoice, Progress | None]]
FEWEST = 3  # validation combinations that can speak for composing effects of responders


@dataclass(frozen=True, eq=False)
class Finished:
    """The model that predicts, what validation says of it, and how its head came about."""

    model: WorldModel
    calibration: Calibration
    choice: HeadChoice | None = None
    head: Progress | None = None


def finish(
    network: WorldModel,
    prepared: Prepared,
    validation: EffectValidation,
    gated: np.ndarray,
    composition: EffectComposition | None,
    compose: Compose,
    choose: Choose | None = None,
    compose_responders: Compose | None = None,
) -> Finished:
    """Return the model that predicts, and what validation says of it.

    `composition` knows the training perturbations only; with it validation is asked, and `choose`
    gives the model its head. Then `compose` fits it anew with the validation combinations beside
    them: nothing is chosen by these any more, and how effects combine is learned from few enough
    of them. Where there are escapers `compose_responders` fits how effects of responders combine,
    which is kept if it predicts validation combinations better.
    """
    align = Alignment(prepared.controls, prepared.training.table, prepared.moments.target)
    model = _aligned(deepcopy(network), composition, align)
    model.responders = fit_responders(model, prepared)
    measured = None
    if composition is not None and compose_responders is not None:
        measured = _compose_responders(model, prepared, validation, gated, compose_responders)
    asked = (validation, prepared.observed, prepared.vocabulary, gated)
    found = Finished(model, calibrate(model, *asked))
    if choose is not None:
        choice, head = choose(model)
        again = found.calibration if head is None else calibrate(model, *asked)
        found = Finished(model, again, choice, head)
    extra = _combinations(prepared)
    if composition is None or not len(extra):
        return found
    more = prepared.observed.beside(prepared.validation.take(extra))
    final = _aligned(network, compose(more), align)
    final.condition.load_state_dict(model.condition.state_dict())  # trust in unmeasured members
    final.head, final.responders = model.head, model.responders
    if measured is not None and final.responders is not None and compose_responders is not None:
        labels = prepared.validation.take(extra).labels
        known = measured.beside(responder_effects(model, prepared, prepared.checked, labels))
        composed = joined(compose_responders(known), known, prepared.vocabulary)
        final.responders.composition = composed
    return replace(found, model=final)


def _compose_responders(
    model: WorldModel,
    prepared: Prepared,
    validation: EffectValidation,
    gated: np.ndarray,
    compose: Compose,
) -> MeasuredEffects | None:
    """Let the mixture of `model` compose effects of responders; return them as measured.

    None, and the mixture stays as it is, where there are no escapers, fewer than `FEWEST`
    validation combinations, or where their mean effects are not predicted better by it.
    """
    rows = _combinations(prepared)
    if model.responders is None or len(rows) < FEWEST:
        return None
    truth = prepared.validation.take(rows).effect - prepared.observed.posterior.shared

    def error() -> float:
        off = (validation.predict(model)[rows] - truth)[:, gated]
        return float(np.linalg.norm(off, axis=1).mean())

    before = error()
    known = tuple(label for label in prepared.observed.labels if _enough(prepared, label))
    measured = responder_effects(model, prepared, prepared.training, known)
    model.responders.composition = joined(compose(measured), measured, prepared.vocabulary)
    if error() < before:
        return measured
    model.responders.composition = None
    return None


def _enough(prepared: Prepared, label: str) -> bool:
    return bool(np.count_nonzero(prepared.training.labels == label) >= FEWEST_CELLS)


def _aligned(
    model: WorldModel, composition: EffectComposition | None, align: Alignment
) -> WorldModel:
    """Install a composition in `model` and bring its shifts to the effects that it knows."""
    model.predictor.composition = composition
    align(model)
    return model


def _combinations(prepared: Prepared) -> np.ndarray:
    """Return the rows of validation combinations of which every member was measured."""
    known = prepared.vocabulary.all_measured
    labels = prepared.validation.labels
    return np.flatnonzero([len(members_of(label)) > 1 and known(label) for label in labels])
