"""Effects of responders, measured on cells weighted by how likely each responds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from gpjepa.core.random import numpy_stream
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.evaluation.pseudobulk import group_pseudobulk
from gpjepa.inference.cells import CellTable
from gpjepa.inference.response_likelihood import responsibilities
from gpjepa.model.composed_responders import ComposedResponders
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.gpjepa import WorldModel
from gpjepa.training.measured_effects import ERROR_FLOOR, MeasuredEffects
from gpjepa.training.prepare import Annotated, Prepared
from gpjepa.training.responder_fit import Start, control_start, mean_ratio

MOST_CELLS = 400  # of a perturbation that are weighed
PRIOR = 0.5  # counts added on both sides of a ratio
PRIOR_SD = 0.3  # of a member's change of a log rate
DEPARTURE_SD = 0.1  # of a set's change from the sum of its members'


class Weighed(NamedTuple):
    """Cells of one perturbation: counts and library of its responders, and how many they are."""

    counts: np.ndarray  # [G]
    library: float
    cells: float
    strata: np.ndarray  # [cells], and the part of the library that each brings
    parts: np.ndarray


@torch.no_grad()
def responder_effects(
    model: WorldModel, prepared: Prepared, cells: Annotated, labels: Sequence[str]
) -> MeasuredEffects:
    """Measure how the log rates of responders [P, G] differ from those of the controls.

    Each cell of `cells` counts as far as the mixture of `model` takes it for a responder: with
    the right likelihood that is unbiased even where cells tell little. Errors are those of NB
    means of as many cells as the weights are worth. Controls are matched by strata.
    """
    start = control_start(model, prepared.controls)
    theta = torch.exp(model.decoder.log_dispersion).double().cpu().numpy()
    members = torch.from_numpy(prepared.vocabulary.encode(labels))
    matched = _control_shares(prepared.controls)
    effects, errors, sizes = [], [], []
    for label, own in zip(labels, members, strict=True):
        found = _weighed(model, start, cells, label, own)
        expected = found.library * matched.of(found)
        effects.append(np.log((found.counts + PRIOR) / (expected + PRIOR)))
        variance = 1.0 / (expected + PRIOR) + 1.0 / (found.cells * theta)
        errors.append(np.sqrt(variance + ERROR_FLOOR**2))
        sizes.append(found.cells)
    table = prepared.controls.table
    known = np.asarray(table.counts.sum(axis=0), dtype=np.float64).ravel() + PRIOR
    shared = np.sqrt(1.0 / known + 1.0 / (len(table) * theta) + ERROR_FLOOR**2)
    return MeasuredEffects(
        tuple(labels), np.stack(effects), np.stack(errors), shared, np.array(sizes)
    )


def compose_responders(
    composition: EffectComposition | None, measured: MeasuredEffects, vocabulary: Vocabulary
) -> ComposedResponders | None:
    """Join a composition of effects of responders with members' effects fitted to all sets.

    The latter are least squares gene by gene, sets weighted by their errors, with a ridge.
    """
    if composition is None:
        return None
    members = vocabulary.encode(measured.labels)
    design = np.zeros((len(members), vocabulary.measured))
    at = np.nonzero(members >= 0)
    design[at[0], members[at]] = 1.0
    weight = 1.0 / (measured.error**2 + DEPARTURE_SD**2)
    precision = np.einsum("pm,pg,pn->gmn", design, weight, design, optimize=True)
    precision += np.eye(design.shape[1]) / PRIOR_SD**2
    covariance = np.linalg.inv(precision)
    change = np.einsum("gmn,pn,pg->mg", covariance, design, weight * measured.effect, optimize=True)
    variance = np.einsum("gmm->mg", covariance)
    found = (torch.from_numpy(each.astype(np.float32)) for each in (change, variance))
    return ComposedResponders(composition, *found)


def _weighed(
    model: WorldModel, start: Start, cells: Annotated, label: str, members: Int[Tensor, " K"]
) -> Weighed:
    mixture = model.responders
    assert mixture is not None
    rows = np.flatnonzero(cells.labels == label)
    rows = np.sort(numpy_stream(0, "responder effects", label).permutation(rows)[:MOST_CELLS])
    counts, library = cells.table.dense(rows, model.device())
    ratio = mean_ratio(model, start, members, float(library.mean()), len(rows))
    fraction = float(mixture.fraction(members[None].to(library.device))[0])
    dispersion = torch.exp(model.decoder.log_dispersion)
    weight = responsibilities(counts, library, start.states, ratio, dispersion, fraction)
    total = (weight @ counts.double()).cpu().numpy()
    parts = (weight * library.double()).cpu().numpy()
    worth = float(weight.sum() ** 2 / (weight**2).sum())
    return Weighed(total, float(parts.sum()), worth, cells.strata[rows], parts)


class _ControlShares(NamedTuple):
    """Shares of the library [S, G] in the control cells of each stratum [S], and in all."""

    strata: np.ndarray
    shares: np.ndarray
    overall: np.ndarray

    def of(self, found: Weighed) -> np.ndarray:
        """Return the shares [G] in control cells of the same strata as the responders."""
        weights = np.array([found.parts[found.strata == name].sum() for name in self.strata])
        rest = max(found.library - weights.sum(), 0.0)  # of strata without control cells
        mixed = weights @ self.shares + rest * self.overall
        return np.asarray(mixed / (weights.sum() + rest))


def _control_shares(controls: Annotated) -> _ControlShares:
    table: CellTable = controls.table
    names, stratum = np.unique(controls.strata, return_inverse=True)
    found = group_pseudobulk(table.counts, table.library, stratum, len(names), 1.0)
    overall = np.asarray(table.counts.sum(axis=0), dtype=np.float64).ravel() / table.library.sum()
    return _ControlShares(names, np.expm1(found), overall)
