"""What the sum of the members' own shifts would have chosen, had nothing else been known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gpjepa.planning.numbers import numbers
from gpjepa.planning.objective import Scores
from gpjepa.planning.scoring import MeanShiftObjective, Terms
from gpjepa.planning.sets import padded


class AdditiveObjective:
    """Energy of the control cells' mean latent plus the shifts of a set's members, each alone.

    Only single members are run through g_φ; the energy is that of the objective that it is made
    of, so both can be compared. `terms` add what sets cost.
    """

    def __init__(self, mean: MeanShiftObjective, terms: Terms | None = None) -> None:
        self.mean, self.terms = mean, terms or Terms()
        self.start = mean.shifts.start
        self._latent: dict[int, Tensor] = {}

    def __call__(self, sets: np.ndarray) -> Scores:
        """Score sets [N, K] of candidates; their errors are not estimated."""
        with torch.no_grad():
            energy = self.mean.energy(self.latents(sets))
        return Scores(numbers(energy) + self.terms.fixed(sets), np.zeros(len(sets)))

    def guess(self, sets: np.ndarray) -> np.ndarray | None:
        """Return the energies: nothing has to be run that the members did not need already."""
        return np.asarray(self(sets).energy)

    def latents(self, sets: np.ndarray) -> Tensor:
        """Return the mean latent [N, D] of the sum of each set's members."""
        wanted = np.unique(sets[sets >= 0])
        missing = [int(each) for each in wanted if int(each) not in self._latent]
        if missing:
            found = self.mean.latents(padded(([member] for member in missing), 1))
            self._latent.update(zip(missing, found, strict=True))
        if not len(wanted):
            return self.start.repeat(len(sets), 1)
        table = torch.stack([self._latent[int(each)] - self.start for each in wanted])
        at = torch.from_numpy(np.searchsorted(wanted, np.maximum(sets, wanted[0])))
        there = torch.from_numpy(sets >= 0).to(table)
        shifts = table[at.to(table.device)] * there[..., None]
        return self.start + shifts.sum(dim=1)
