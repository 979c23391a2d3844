"""Mean states of control cells under sets, from shifts of members and pairs that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.planning.kept import Kept
from gpjepa.planning.origin import Origin
from gpjepa.planning.runs import Read, Runs, run
from gpjepa.planning.sets import NONE, pair_keys, sizes
from gpjepa.planning.together import Together


class Moved(NamedTuple):
    """Where sets bring the control cells: mean latents, and of which shifts each cell's is made.

    `together` is what composed sets do beyond their members, the same for all cells; `singles`
    [S, K] and `pairs` [S, Q] are keys of shifts that are kept, −1 for none.
    """

    mean: Float[Tensor, "S D"]
    together: Float[Tensor, "S D"]
    singles: np.ndarray
    pairs: np.ndarray


class Shifts:
    """z_b + Σ Δ₁ + Δ₂ of g_φ on common control cells, for sets of M candidates.

    `members` [M] number the candidates as the model does. A candidate's first-order shift is run
    once per cell and kept, and so is a pair's where the transformer gives it. Where members'
    effects are composed, what they do together is the same for all cells and needs no run. A
    predictor of the form "free" is run on every set as a whole. `runs` are those of this process
    or of several.
    """

    def __init__(self, origin: Origin, members: np.ndarray, runs: Runs = run) -> None:
        self.origin, self.runs = origin, runs
        self.members = torch.from_numpy(np.asarray(members, dtype=np.int64))
        self.members = self.members.to(origin.start.device)
        cells, latent = origin.start.shape
        self.first = Kept(cells, latent, origin.start)
        self.pairs = Kept(cells, latent, origin.start)
        composition = origin.model.predictor.composition
        self.together = None if composition is None else Together(composition, self.members)
        self.start = origin.start.mean(dim=0)

    @property
    def candidates(self) -> int:
        """Return the number of candidates, M."""
        return len(self.members)

    def named(self, sets: np.ndarray) -> Tensor:
        """Return sets of candidates as the model numbers them."""
        index = torch.from_numpy(sets).to(self.members.device)
        return torch.where(index >= 0, self.members[index.clamp_min(0)], NONE)

    def read(self, several: Sequence[np.ndarray]) -> list[Read]:
        """Run the transformer on lots of sets [S, K], each set as a whole."""
        return self.runs(self.origin, [self.named(sets) for sets in several])

    @torch.no_grad()
    def __call__(self, sets: np.ndarray) -> Moved:
        """Return the mean latents that `Predictor` gives sets [S, K]."""
        predictor = self.origin.model.predictor
        if predictor.form == "free":
            return self._whole(sets)
        self.first.fill(sets[sets >= 0], self._first)
        mean = self.start + self.first.total(sets)
        together = torch.zeros_like(mean)
        pairs = np.full((len(sets), 0), NONE)
        left = sizes(sets) > 1
        if self.together is not None and left.any():
            together, composed = self.together(sets)
            left &= ~composed
        if predictor.form != "additive" and left.any():
            pairs = pair_keys(np.where(left[:, None], sets, NONE), self.candidates)
            self.pairs.fill(pairs[pairs >= 0], self._second)
            mean = mean + self.pairs.total(pairs)
        return Moved(mean + together, together, sets, pairs)

    @torch.no_grad()
    def of_cells(self, sets: np.ndarray) -> tuple[Float[Tensor, "S N D"], Float[Tensor, "S N D"]]:
        """Return the shifts of each cell under sets: of first order, and of members together."""
        moved = self(sets)
        second = moved.together[:, None] + self.pairs.of_cells(moved.pairs)
        if self.origin.model.predictor.form == "free":
            return second - moved.together[:, None], moved.together[:, None].expand_as(second)
        return self.first.of_cells(moved.singles), second

    def along(self, moved: Moved, gradient: Float[Tensor, "S D"]) -> Float[Tensor, "S N"]:
        """Return each cell's own deviation from the mean latent, along one direction for each set.

        What the cells have in common has no part.
        """
        found = gradient @ self.origin.start.T
        for kept, keys in ((self.first, moved.singles), (self.pairs, moved.pairs)):
            found += kept.along(keys, gradient)
        return found - found.mean(dim=1, keepdim=True)

    def _first(self, keys: np.ndarray) -> Float[Tensor, "S N D"]:
        """Run the first-order shifts of candidates, what the composition adds included."""
        names = self.named(keys[:, None])
        shifts = self.read([keys[:, None]])[0].first
        composition = self.origin.model.predictor.composition
        if composition is not None:
            shifts = shifts + composition(names).alone[:, None]
        return shifts

    def _second(self, keys: np.ndarray) -> Float[Tensor, "S N D"]:
        """Run the pair shifts of the transformer."""
        pairs = np.stack(np.divmod(keys, self.candidates), axis=1)
        return self.read([pairs])[0].second

    def _whole(self, sets: np.ndarray) -> Moved:
        """Run sets as a whole; their shifts are kept for as long as `Moved` is looked at."""
        self.pairs.clear()
        keys = np.arange(len(sets))
        names = self.named(sets)
        together = self.start.new_zeros((len(sets), len(self.start)))
        shifts = self.read([sets])[0].first
        composition = self.origin.model.predictor.composition
        if composition is not None:
            both = composition(names)
            together, shifts = both.together, shifts + both.alone[:, None]
        self.pairs.fill(keys, lambda rows: shifts[torch.from_numpy(rows).to(shifts.device)])
        mean = self.start + together + self.pairs.total(keys[:, None])
        return Moved(mean, together, np.full((len(sets), 0), NONE), keys[:, None])
