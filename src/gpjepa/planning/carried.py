"""What a step and the perturbations that are in place already do together."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.planning.origin import Origin
from gpjepa.planning.sets import NONE
from gpjepa.planning.together import Together


class Carried:
    """Δ₂ of all that is in place after a step, less that of what was before and of the step itself.

    A step of g_φ sees the state that earlier ones left, not which they were. With this added, A
    and then B leads where {A, B} does as far as first-order shifts do not depend on the state.
    `actions` [M, K] are sets of perturbations as the model numbers them, `applied` [A] what
    is in place before the first step. Composed sets are alike for all cells and need no run of the
    transformer; others are run on the states before the step.
    """

    def __init__(
        self, origin: Origin, actions: Int[Tensor, "M K"], applied: Int[Tensor, " A"] | None = None
    ) -> None:
        self.origin, self.actions = origin, actions
        applied = actions[:0].flatten() if applied is None else applied.to(actions)
        names = torch.unique(torch.cat((actions[actions >= 0], applied)))
        index = torch.searchsorted(names, actions.clamp_min(0))
        self._names = names
        self._sets = torch.where(actions >= 0, index, NONE).cpu().numpy()
        self._applied = torch.searchsorted(names, applied).cpu().numpy()

    def from_cells(self, origin: Origin) -> Carried:
        """Return the same from other cells."""
        return Carried(origin, self.actions, self._names[torch.from_numpy(self._applied)])

    def shared(
        self, before: np.ndarray, chosen: np.ndarray
    ) -> tuple[Float[Tensor, "P D"], np.ndarray]:
        """Return the shifts of action `chosen` [P] after the actions `before` [P, T], −1 for none.

        And of which they are all there is: with nothing in place, or where the sets are composed.
        """
        none = self.origin.start.new_zeros((len(chosen), self.origin.start.shape[1]))
        first = np.asarray((before < 0).all(axis=1)) & (len(self._applied) == 0)
        if self._together is None or first.all():
            return none, first
        own, placed = self._sets[chosen], self._in_place(before)
        whole, composed = self._together(np.concatenate((placed, own), axis=1))
        shifts = whole - self._together(placed)[0] - self._together(own)[0]
        told = first | composed
        return torch.where(torch.from_numpy(told).to(none.device)[:, None], shifts, none), told

    @torch.no_grad()
    def __call__(
        self, states: Float[Tensor, "P N D"], before: np.ndarray, chosen: np.ndarray
    ) -> Float[Tensor, "P N D"]:
        """Return the shifts of each cell of populations of states."""
        shifts, told = self.shared(before, chosen)
        found = shifts[:, None].expand_as(states).clone()
        rows = np.flatnonzero(~told)
        if len(rows):
            found[torch.from_numpy(rows)] = self._run(states[rows], before[rows], chosen[rows])
        return found

    def _run(
        self, states: Float[Tensor, "P N D"], before: np.ndarray, chosen: np.ndarray
    ) -> Float[Tensor, "P N D"]:
        placed, own = self._numbered(self._in_place(before)), self.actions[chosen]
        flat = states.flatten(0, 1)

        def second(sets: Int[Tensor, "P K"]) -> Float[Tensor, "R D"]:
            found: Tensor = self.origin.model.predict(
                flat, self.origin.condition(sets)
            ).second_order
            return found

        beyond = second(torch.cat((placed, own), dim=1)) - second(placed) - second(own)
        return beyond.view_as(states)

    def _in_place(self, before: np.ndarray) -> np.ndarray:
        """Return what is in place [P, A + T · K] by its place among all perturbations."""
        sets = np.where((before >= 0)[..., None], self._sets[before], NONE)
        sets = sets.reshape(len(before), before.shape[1] * self._sets.shape[1])
        return np.concatenate((np.tile(self._applied, (len(before), 1)), sets), axis=1)

    def _numbered(self, sets: np.ndarray) -> Int[Tensor, "P K"]:
        index = torch.from_numpy(sets).to(self._names.device)
        return torch.where(index >= 0, self._names[index.clamp_min(0)], NONE)

    @cached_property
    def _together(self) -> Together | None:
        composition = self.origin.model.predictor.composition
        return None if composition is None else Together(composition, self._names)
