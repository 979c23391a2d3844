"""Control cells that plans start from, encoded once for all candidates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.inference.means import Controls, control_shares
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition


@dataclass(frozen=True, eq=False)
class Origin:
    """A world model and N encoded control cells with what conditions them.

    `covariates` [N, C] and `dose` [N] are the cells' own; `offset` are the logit offsets that make
    decoded controls match real ones; `target` is the depth of a pseudobulk in counts.
    """

    model: WorldModel
    controls: Controls
    covariates: Int[Tensor, "N C"]
    dose: Float[Tensor, " N"] | None
    offset: Float[Tensor, " C"] | None
    target: float

    @property
    def cells(self) -> int:
        """Return the number of control cells, N."""
        return len(self.controls.state)

    @cached_property
    @torch.no_grad()
    def start(self) -> Float[Tensor, "N D"]:
        """Return the states that predictions depart from, z_b."""
        state = self.controls.state
        return state if self.model.start is None else self.model.start(state)

    @cached_property
    def weight(self) -> Float[Tensor, " N"]:
        """Return each cell's share of the pseudobulk's counts, that of its library."""
        return self.controls.library / self.controls.library.sum()

    @cached_property
    def baseline(self) -> Float[Tensor, " G"]:
        """Return log1p(target · share) of the decoded control cells."""
        shares = control_shares(self.model, self.controls, self.offset)
        return torch.log1p(self.target * shares)

    def condition(self, members: Int[Tensor, "S K"]) -> Condition:
        """Return the conditions of all cells under each set, cells within sets [S · N]."""
        sets, cells = len(members), self.cells
        device = self.controls.state.device
        dose = None if self.dose is None else self.dose.to(device).repeat(sets)
        rows = members.to(device).repeat_interleave(cells, dim=0)
        return Condition(rows, self.covariates.to(device).repeat(sets, 1), dose)
