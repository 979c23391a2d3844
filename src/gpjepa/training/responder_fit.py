"""Responders and escapers among the training cells of a fitted model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of
from gpjepa.inference.means import Controls, control_shares, encode_controls, mean_shares
from gpjepa.inference.responders import FractionPrior, choose_rule, fit_prior, posterior
from gpjepa.inference.response_likelihood import (
    ControlStates,
    Evidence,
    control_states,
    evidence,
    sure_ratio,
)
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.mixture import ResponderMixture
from gpjepa.model.perturbation import Condition
from gpjepa.training.prepare import Annotated, Prepared

MOST_CONTROLS, MOST_CELLS, FEWEST_CELLS = 256, 150, 10


class Start(NamedTuple):
    """Control cells that populations are predicted from, and what the decoder lacks on them."""

    cells: Annotated
    controls: Controls
    offset: Float[Tensor, " C"]
    states: ControlStates
    base: Float[Tensor, " G"]


@torch.no_grad()
def fit_responders(model: WorldModel, prepared: Prepared) -> ResponderMixture | None:
    """Estimate how many cells respond to each perturbation; None where there are no escapers.

    Each cell's counts are compared with what the decoder expects of a control cell and of a
    responder. Decoders with zero inflation, and data with doses, have no mixture.
    """
    if model.decoder.zero is not None or prepared.vocabulary.dose:
        return None
    start = control_start(model, prepared.controls)
    labels = tuple(
        label
        for label in prepared.observed.labels
        if np.count_nonzero(prepared.training.labels == label) >= FEWEST_CELLS
    )
    if not labels:
        return None
    found = [
        _evidence(model, prepared, start, label, members)
        for label, members in zip(labels, _members(prepared, labels), strict=True)
    ]
    prior = fit_prior(found)
    if not prior.supported:
        return None
    return _mixture(prepared, labels, found, prior).to(model.device())


def control_start(model: WorldModel, controls: Annotated) -> Start:
    """Encode at most 256 control cells, and group them into typical ones."""
    count = min(MOST_CONTROLS, len(controls.table))
    chosen = numpy_stream(0, "responders").permutation(len(controls.table))[:count]
    cells = controls.take(np.sort(chosen))
    encoded = encode_controls(model, cells.table)
    offset = encoded.offset(float(encoded.library.sum()))
    states = control_states(model.decoder, encoded, offset, 0)
    return Start(cells, encoded, offset, states, control_shares(model, encoded, offset))


def _members(prepared: Prepared, labels: tuple[str, ...]) -> Int[Tensor, "P K"]:
    return torch.from_numpy(prepared.vocabulary.encode(labels))


def _evidence(
    model: WorldModel,
    prepared: Prepared,
    start: Start,
    label: str,
    members: Int[Tensor, " K"],
) -> Evidence:
    """Weigh the fractions of one perturbation by at most 150 of its training cells."""
    training = prepared.training
    rows = np.flatnonzero(training.labels == label)
    chosen = numpy_stream(0, "responders", label).permutation(rows)[:MOST_CELLS]
    counts, library = training.table.dense(np.sort(chosen), model.device())
    exposure = float(library.mean())
    ratio = mean_ratio(model, start, members, exposure, len(rows))
    dispersion = torch.exp(model.decoder.log_dispersion)
    return evidence(counts, library, start.states, ratio, dispersion)


def mean_ratio(
    model: WorldModel, start: Start, members: Int[Tensor, " K"], exposure: float, cells: int
) -> Float[Tensor, " G"]:
    """Return the predicted mean expression over the controls', as far as it is sure.

    `exposure` is the mean library of the `cells` that were measured; see `sure_ratio`.
    """
    covariates = torch.from_numpy(start.cells.covariates)
    condition = Condition(members.expand(len(covariates), -1), covariates).to(model.device())
    shares = mean_shares(model, start.controls, condition, 0, start.offset, samples=1)
    dispersion = torch.exp(model.decoder.log_dispersion)
    return sure_ratio(shares / start.base, start.base, exposure, cells, dispersion)


def _mixture(
    prepared: Prepared,
    labels: tuple[str, ...],
    found: list[Evidence],
    prior: FractionPrior,
) -> ResponderMixture:
    beliefs = [posterior(each, prior) for each in found]
    mean = {label: a / (a + b) for label, (a, b) in zip(labels, beliefs, strict=True)}
    together, products = [], []
    for label, each in zip(labels, found, strict=True):
        members = members_of(label)
        if len(members) > 1 and all(member in mean for member in members):
            together.append(each)
            products.append(float(np.prod([mean[member] for member in members])))
    return ResponderMixture(
        _members(prepared, labels),
        torch.tensor(beliefs, dtype=torch.float32),
        torch.tensor(prior.parameters, dtype=torch.float32),
        choose_rule(together, products, prior),
    )
