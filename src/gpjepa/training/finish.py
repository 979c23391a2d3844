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
from gpjepa.training.responder_fit import fit_responders
from gpjepa.training.validation import EffectValidation

Compose = Callable[[MeasuredEffects], EffectComposition | None]
Choose = Callable[[WorldModel], tuple[HeadChoice, Progress | None]]


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
) -> Finished:
    """Return the model that predicts, and what validation says of it.

    `composition` knows the training perturbations only; with it validation is asked, and `choose`
    gives the model its head. Then `compose` fits it anew with the validation combinations beside
    them: nothing is chosen by these any more, and how effects combine is learned from few enough
    of them.
    """
    align = Alignment(prepared.controls, prepared.training.table, prepared.moments.target)
    model = _aligned(deepcopy(network), composition, align)
    model.responders = fit_responders(model, prepared)
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
    return replace(found, model=final)


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
