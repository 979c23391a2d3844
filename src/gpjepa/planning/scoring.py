"""Objectives of planners: sets scored by the world model, in the mean or as populations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError
from gpjepa.planning.energy import MeanEnergy, mean_energy
from gpjepa.planning.goal import Goal
from gpjepa.planning.objective import Scores
from gpjepa.planning.origin import Origin
from gpjepa.planning.risk import Doubt
from gpjepa.planning.sets import sizes
from gpjepa.planning.shift_guess import ShiftGuess
from gpjepa.planning.shifts import Moved, Shifts

AT_ONCE = 2048  # sets scored at once


@dataclass(frozen=True, eq=False)
class Terms:
    """What is added to the distance from the goal.

    `risk` times the energy's error bar: above 0 sets that the model is sure of are preferred,
    below 0 those it knows least of. `size` for each member; `cost_weight` times `cost` [M].
    """

    risk: float = 0.0
    size: float = 0.0
    cost: np.ndarray | None = None
    cost_weight: float = 0.0

    def require(self, doubt: Doubt | None) -> None:
        """Raise `ConfigError` for a risk without what says how far off effects may be."""
        if not np.isfinite(self.risk) or (self.risk and doubt is None):
            raise ConfigError(
                f"risk is {self.risk}, error bars are {'not ' if doubt is None else ''}given; "
                "expected a finite risk, and error bars where it is not 0; set risk to 0"
            )

    def fixed(self, sets: np.ndarray) -> np.ndarray:
        """Return what size and cost add to each set [N, K]; it has no error."""
        found = self.size * sizes(sets).astype(np.float64)
        if self.cost is not None and self.cost_weight:
            dear = np.append(np.asarray(self.cost, dtype=np.float64), 0.0)  # at −1: no member
            found = found + self.cost_weight * dear[sets].sum(axis=1)
        return found


class MeanShiftObjective:
    """Energy of the mean latent that a set leaves the control cells in.

    Exact for the mean of g_φ over the origin's cells. First-order and pair shifts are run once and
    kept, so most sets are scored from sums. `candidates` [M] number the candidates as the model
    does. The standard error is over control cells, by the influence of each on the energy; all
    sets see the same cells. The mean has no latent samples.
    """

    def __init__(
        self,
        origin: Origin,
        candidates: np.ndarray,
        goal: Goal,
        *,
        kind: str = "latent",
        terms: Terms | None = None,
        doubt: Doubt | None = None,
    ) -> None:
        self.origin, self.goal = origin, goal
        self.terms, self.doubt = terms or Terms(), doubt
        self.terms.require(doubt)
        self.shifts = Shifts(origin, candidates)
        self.energy: MeanEnergy = mean_energy(origin, goal, kind)
        self._guess = ShiftGuess(self.shifts.candidates, origin.start.shape[1])
        self._seen: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, sets: np.ndarray) -> Scores:
        """Score sets [N, K] of candidates."""
        sets = np.asarray(sets, dtype=np.int64)
        parts = [self._score(sets[at : at + AT_ONCE]) for at in range(0, len(sets), AT_ONCE)]
        if not parts:
            return Scores(np.zeros(0), np.zeros(0))
        return Scores(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def influence(self, sets: np.ndarray) -> np.ndarray:
        """Return how each control cell moves the energy of each set, float64 [N, cells].

        Their standard deviation over √cells is the standard error; that of the difference of two
        sets' rows is the error of the difference, as both see the same cells.
        """
        moved = self.shifts(np.asarray(sets, dtype=np.int64))
        _, gradient = self._valued(moved.mean)
        return self.shifts.along(moved, gradient).double().cpu().numpy()

    def latents(self, sets: np.ndarray) -> Float[Tensor, "S D"]:
        """Return the mean latent that each set leads to."""
        return self.shifts(np.asarray(sets, dtype=np.int64)).mean

    def guess(self, sets: np.ndarray) -> np.ndarray | None:
        """Return energies [N] expected from shifts scored before, NaN where a member was not."""
        if not self._seen and not np.isfinite(self._guess.first).any():
            return None
        for known, shift in self._seen:
            self._guess.learn(known, shift)
        self._seen.clear()
        mean = torch.from_numpy(self._guess(sets)).to(self.origin.start) + self.shifts.start
        with torch.no_grad():
            energy = self.energy(mean).double().cpu().numpy()
        return np.asarray(energy + self.terms.fixed(sets))

    def _score(self, sets: np.ndarray) -> Scores:
        moved = self.shifts(sets)
        energy, gradient = self._valued(moved.mean)
        own = self.shifts.along(moved, gradient)
        error = own.std(dim=1) / own.shape[1] ** 0.5
        self._remember(sets, moved)
        total = energy.double().cpu().numpy() + self.terms.fixed(sets)
        if self.doubt is not None and self.terms.risk:
            total += self.terms.risk * self.doubt.of_mean(sets, moved.mean, self.energy)
        return Scores(total, error.double().cpu().numpy())

    def error_bar(self, sets: np.ndarray) -> np.ndarray:
        """Return how far off each energy may be as the model's effects are, float64 [N]."""
        assert self.doubt is not None
        return self.doubt.of_mean(sets, self.latents(sets), self.energy)

    def _valued(
        self, mean: Float[Tensor, "S D"]
    ) -> tuple[Float[Tensor, " S"], Float[Tensor, "S D"]]:
        """Return energies and their gradients in the mean latents."""
        with torch.enable_grad():
            mean = mean.detach().requires_grad_()
            energy = self.energy(mean)
            (gradient,) = torch.autograd.grad(energy.sum(), mean)
        return energy.detach(), gradient

    def _remember(self, sets: np.ndarray, moved: Moved) -> None:
        shift = (moved.mean - self.shifts.start).double().cpu().numpy()
        self._seen.append((sets, shift))
