"""Keeping the composition inside the predictor in step with the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.random import torch_stream
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition
from gpjepa.training.prepare import Annotated

ROWS = 8192  # cells decoded at once
MOST_ROWS = 16384  # cells that the members' own effects are measured on, together
FEWEST_CELLS, MOST_CELLS = 4, 64
RIDGE = 3e-2  # of the readout, relative to the mean square of the Jacobian


@dataclass(frozen=True, eq=False)
class Alignment:
    """Control cells at which effects of the predictor's own shifts are decoded.

    `target` is the pseudobulk's depth in counts.
    """

    controls: Annotated
    target: float

    @torch.no_grad()
    def __call__(self, model: WorldModel) -> None:
        """Set what the composition knows of the decoder and of the members' own effects."""
        composition = model.predictor.composition
        if composition is None:
            return
        composition.readout.zero_()  # what the predictor does by itself is measured
        members = _measured(composition)
        cells = self._few(len(members))
        counts, library = cells.table.dense(np.arange(len(cells.table)), model.device())
        state = model.encoder(counts, library)
        weight = library / library.sum()

        def effect(shift: Float[Tensor, " D"]) -> Float[Tensor, " H"]:
            shares = weight @ model.decoder.mean_shares(state + shift)
            return torch.log1p(self.target * shares[composition.genes])

        zero = torch.zeros_like(state[0])
        jacobian = torch.func.jacfwd(effect)(zero)
        own = self._own(model, cells, state, weight, members)
        composition.align(jacobian, own - effect(zero), RIDGE)

    def _few(self, members: int) -> Annotated:
        """Return the first control cells, fewer where there are many members."""
        count = int(np.clip(MOST_ROWS // max(members, 1), FEWEST_CELLS, MOST_CELLS))
        return self.controls.take(np.arange(min(count, len(self.controls.table))))

    def _own(
        self, model: WorldModel, cells: Annotated, state: Tensor, weight: Tensor, members: Tensor
    ) -> Float[Tensor, "S H"]:
        """Return the decoded log1p expression under each member's own shift."""
        composition, count = model.predictor.composition, len(state)
        assert composition is not None
        generator = torch_stream(0, "alignment", device=state.device)
        covariates = torch.from_numpy(cells.covariates)
        dose = None if cells.dose is None else torch.ones(count)
        found = []
        for part in members.split(max(1, ROWS // count)):
            every = part.repeat_interleave(count).unsqueeze(1)
            repeats = len(part)
            condition = Condition(
                every.cpu(),
                covariates.repeat(repeats, 1),
                None if dose is None else dose.repeat(repeats),
            ).to(state.device)
            prediction = model.predict(state.repeat(repeats, 1), condition)
            drawn = model.head.sample(prediction, generator)
            mean = torch.zeros((repeats, len(composition.genes)), device=state.device)
            for latent in (drawn, 2 * prediction.mean - drawn):  # first-order noise cancels
                shares = model.decoder.mean_shares(latent)[:, composition.genes]
                mean += torch.einsum("c,pch->ph", weight, shares.view(repeats, count, -1)) / 2
            found.append(torch.log1p(self.target * mean))
        return torch.cat(found)


def _measured(composition: EffectComposition) -> Tensor:
    """Return the names [S], in the order of rows, of the members measured alone."""
    rows = int(composition.measured.sum())
    names = torch.full((rows,), -1, dtype=torch.int64, device=composition.row.device)
    known = composition.row.clamp_min(0)
    at = ((composition.row >= 0) & composition.measured[known]).nonzero().squeeze(1)
    return names.index_copy(0, composition.row[at], at)
