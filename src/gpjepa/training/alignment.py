"""Bringing decoder and composition together after fitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gpjepa.core.random import torch_stream
from gpjepa.inference.cells import CellTable
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition
from gpjepa.training.prepare import Annotated

ROWS = 8192  # cells decoded at once
MOST_ROWS = 16384  # cells that effects of sets are measured on, together
FEWEST_CELLS, MOST_CELLS = 4, 64
RIDGE = 3e-2  # of the readout, relative to the mean square of the Jacobian
ROUNDS = 3  # of widening what the decoder can express
MOST_SINGLES, PAIRS = 1000, 300  # sets whose effects the decoder is widened for
HOLD = 10.0  # weight of the training cells' decoding against the effects of sets
LEAST_SLOPE = 0.05  # d log1p / d logit below which a gene is not chased


class Start(NamedTuple):
    """Control cells that effects are decoded from: latents, shares of the library, covariates."""

    state: Float[Tensor, "N D"]
    weight: Float[Tensor, " N"]
    cells: Annotated


class Decoded(NamedTuple):
    """What the predictor makes of sets: mean shift of the latent, decoded effect of the genes."""

    shift: Float[Tensor, "P D"]
    effect: Float[Tensor, "P H"]


@dataclass(frozen=True, eq=False)
class Alignment:
    """Brings a fitted model's shifts to the effects of its composition.

    `target` is the pseudobulk's depth in counts; `training` are the cells whose decoding is kept.
    """

    controls: Annotated
    training: CellTable
    target: float

    @torch.no_grad()
    def __call__(self, model: WorldModel) -> None:
        """Set the composition's readout; widen a linear decoder to what its effects need.

        A latent decoded linearly spans few directions of expression, chosen by what makes cells
        differ. In turns the readout is solved for the decoder, and the decoder's weights move,
        by least squares, to what shifts of single members and random pairs fail to express, held
        where they are on the latents of training cells.
        """
        composition = model.predictor.composition
        if composition is None:
            return
        self._read(model, composition)
        if isinstance(model.decoder.body, nn.Identity):
            for _ in range(ROUNDS):
                self._widen(model, composition)
                self._read(model, composition)

    def _read(self, model: WorldModel, composition: EffectComposition) -> None:
        """Set what the composition knows of the decoder and of the members' own effects."""
        composition.readout.zero_()  # what the predictor does by itself is measured
        members = measured_names(composition).unsqueeze(1)
        start = self._start(model, len(members))

        def effect(shift: Float[Tensor, " D"]) -> Float[Tensor, " H"]:
            shares = start.weight @ model.decoder.mean_shares(start.state + shift)
            return torch.log1p(self.target * shares[composition.genes])

        jacobian = torch.func.jacfwd(effect)(torch.zeros_like(start.state[0]))
        composition.align(jacobian, self._decode(model, start, members).effect, RIDGE)

    def _widen(self, model: WorldModel, composition: EffectComposition) -> None:
        """Move the weights of the composition's genes towards the effects that sets are to have."""
        members = _sets(composition)
        start = self._start(model, len(members))
        decoded = self._decode(model, start, members)
        share = (start.weight @ model.decoder.mean_shares(start.state))[composition.genes]
        slope = self.target * share / (1.0 + self.target * share)
        missing = (composition.target(members) - decoded.effect) / slope.clamp_min(LEAST_SLOPE)
        shift = decoded.shift.double()
        hold = HOLD * len(members) * self._spread(model)
        move = torch.linalg.solve(shift.T @ shift + hold, shift.T @ missing.double())
        weight = model.decoder.logits.weight
        weight.index_add_(0, composition.genes, move.T.to(weight))

    def _spread(self, model: WorldModel) -> Float[Tensor, "D D"]:
        """Return the covariance of the latents of training cells, kept invertible."""
        batch = self.training.dense(np.arange(min(ROWS, len(self.training))), model.device())
        spread = torch.cov(model.encoder(*batch).double().T)
        return spread + 1e-3 * torch.diagonal(spread).mean() * torch.eye(len(spread)).to(spread)

    def _start(self, model: WorldModel, sets: int) -> Start:
        """Encode evenly spaced control cells, fewer where there are many sets."""
        count = int(np.clip(MOST_ROWS // max(sets, 1), FEWEST_CELLS, MOST_CELLS))
        last = len(self.controls.table) - 1
        cells = self.controls.take(np.unique(np.linspace(0, last, count).astype(np.int64)))
        counts, library = cells.table.dense(np.arange(len(cells.table)), model.device())
        return Start(model.encoder(counts, library), library / library.sum(), cells)

    def _decode(self, model: WorldModel, start: Start, members: Int[Tensor, "P K"]) -> Decoded:
        """Return the predictor's mean shift and decoded effect of each set."""
        composition, count = model.predictor.composition, len(start.state)
        assert composition is not None
        generator = torch_stream(0, "alignment", device=start.state.device)
        base = start.weight @ model.decoder.mean_shares(start.state)[:, composition.genes]
        shifts, effects = [], []
        for part in members.split(max(1, ROWS // count)):
            state = start.state.repeat(len(part), 1)
            prediction = model.predict(state, _condition(start.cells, part).to(state.device))
            drawn = model.head.sample(prediction, generator)
            mean = torch.zeros((len(part), len(base)), device=state.device)
            for latent in (drawn, 2 * prediction.mean - drawn):  # first-order noise cancels
                shares = model.decoder.mean_shares(latent)[:, composition.genes]
                mean += torch.einsum("c,pch->ph", start.weight, shares.view(*_by(part, count))) / 2
            effects.append(torch.log1p(self.target * mean) - torch.log1p(self.target * base))
            shifts.append((prediction.mean - state).view(*_by(part, count)).mean(dim=1))
        return Decoded(torch.cat(shifts), torch.cat(effects))


def _by(part: Tensor, count: int) -> tuple[int, int, int]:
    return len(part), count, -1


def _condition(cells: Annotated, members: Int[Tensor, "P K"]) -> Condition:
    """Return each set applied to each cell."""
    count, sets = len(cells.table), len(members)
    dose = None if cells.dose is None else torch.ones(count * sets)
    covariates = torch.from_numpy(cells.covariates).repeat(sets, 1)
    return Condition(members.cpu().repeat_interleave(count, dim=0), covariates, dose)


def measured_names(composition: EffectComposition) -> Int[Tensor, " S"]:
    """Return the names, in the order of rows, of the members measured alone."""
    rows = int(composition.measured.sum())
    names = torch.full((rows,), -1, dtype=torch.int64, device=composition.row.device)
    known = composition.row.clamp_min(0)
    at = ((composition.row >= 0) & composition.measured[known]).nonzero().squeeze(1)
    return names.index_copy(0, composition.row[at], at)


def _sets(composition: EffectComposition) -> Int[Tensor, "P 2"]:
    """Return single members and, where sets are composed, random pairs of them."""
    names = measured_names(composition).cpu()
    generator = torch_stream(0, "alignment", "sets")
    singles = names[torch.randperm(len(names), generator=generator)[:MOST_SINGLES]]
    sets = torch.stack((singles, torch.full_like(singles, -1)), dim=1)
    if composition.stacked is not None:
        first, second = torch.triu_indices(len(singles), len(singles), 1)
        chosen = torch.randperm(len(first), generator=generator)[:PAIRS]
        sets = torch.cat((sets, singles[torch.stack((first[chosen], second[chosen]), dim=1)]))
    return sets.to(composition.row.device)
