"""What composed sets do together, from terms of their pairs that are kept."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.model.effect_composition import EffectComposition
from gpjepa.planning.kept import MEMORY, Rows
from gpjepa.planning.sets import pair_keys, sizes


class Together:
    """Latent shifts of composed sets of M candidates beyond their members', alike for all cells.

    `names` [M] number the candidates as the model does. The term of a pair is made once and summed
    in every set that holds the pair; a pair's own shift is kept too.
    """

    def __init__(self, composition: EffectComposition, names: Int[Tensor, " M"]) -> None:
        self.composition = composition
        self.table = composition.table(names)
        known, denoised = composition.known(names[:, None])
        self.known, self.denoised = known[:, 0].cpu().numpy(), denoised[:, 0]
        self.kept = Rows(self.denoised.new_empty((0, composition.readout.shape[1])))
        if self.table is not None:
            self.terms = Rows(self.table.effects.new_empty((0, self.table.effects.shape[1])))

    @torch.no_grad()
    def __call__(self, sets: np.ndarray) -> tuple[Float[Tensor, "S D"], np.ndarray]:
        """Return the shifts of sets [S, K], 0 where they are not composed, and which are."""
        found = self.kept.values.new_zeros((len(sets), self.kept.values.shape[1]))
        known = np.append(self.known, True)[sets].all(axis=1)  # at −1: no member
        composed = known & (sizes(sets) > 1) & (self.table is not None)
        if not composed.any():
            return found, composed
        keys = pair_keys(sets, len(self.known))
        own = np.where((keys >= 0).sum(axis=1) == 1, keys.max(axis=1), -1)
        at = np.where(composed, self.kept.at(own), -1)
        found[torch.from_numpy(at >= 0)] = self.kept.values[at[at >= 0]]
        rows = np.flatnonzero(composed & (at < 0))
        if len(rows):
            shifts = self._made(sets[rows], keys[rows])
            found[torch.from_numpy(rows).to(found.device)] = shifts
            new, first = np.unique(own[rows], return_index=True)
            first = first[new >= 0]
            self.kept.add(new[new >= 0], shifts[torch.from_numpy(first)])
        return found, composed

    def _made(self, sets: np.ndarray, keys: np.ndarray) -> Float[Tensor, "S D"]:
        """Return the shifts of sets that are composed, and keep the terms of their pairs."""
        table = self.table
        assert table is not None
        self._fill(np.unique(keys[keys >= 0]))
        total, denoised = (_summed(rows, sets) for rows in (table.effects, self.denoised))
        composed = table.composed(total, self.terms.total(keys))
        return self.composition.beyond(composed, denoised)

    def _fill(self, keys: np.ndarray) -> None:
        table = self.table
        assert table is not None
        if (len(self.terms) + len(keys)) * table.effects.shape[1] > MEMORY:
            self.terms.clear()
        new = keys[self.terms.at(keys) < 0]
        if len(new):
            pairs = torch.from_numpy(np.stack(np.divmod(new, len(self.known))))
            self.terms.add(new, table.pairs(*pairs.to(table.effects.device)))


def _summed(values: Float[Tensor, "M C"], sets: np.ndarray) -> Float[Tensor, "S C"]:
    """Return the sums of the members' rows."""
    index = torch.from_numpy(sets).to(values.device)
    padded = torch.cat((values, torch.zeros_like(values[:1])))
    found = padded[index[:, 0]]
    for column in index.T[1:]:
        found += padded[column]
    return found
