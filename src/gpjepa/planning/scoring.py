"""Objectives of planners: sets scored by the world model, in the mean or as populations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError
from gpjepa.planning.energy import MeanEnergy, mean_energy, with_gradient
from gpjepa.planning.goal import Goal
from gpjepa.planning.numbers import numbers, standard_error
from gpjepa.planning.objective import Scores
from gpjepa.planning.risk import Doubt
from gpjepa.planning.sets import sizes
from gpjepa.planning.shift_guess import ShiftGuess
from gpjepa.planning.shifts import Shifts


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


class ShiftObjective(ABC):
    """What objectives over kept shifts share: parts, terms, and what sets scored teach of others.

    A subclass scores lots of `at_once` sets by `_each`.
    """

    at_once = 2048

    def __init__(
        self, shifts: Shifts, goal: Goal, terms: Terms | None, doubt: Doubt | None
    ) -> None:
        self.shifts, self.origin, self.goal = shifts, shifts.origin, goal
        self.terms, self.doubt = terms or Terms(), doubt
        self.terms.require(doubt)
        self._guess = ShiftGuess(shifts.candidates, shifts.origin.start.shape[1])
        self._seen: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, sets: np.ndarray) -> Scores:
        """Score sets [N, K] of candidates."""
        sets, step = np.asarray(sets, dtype=np.int64), self.at_once
        parts = list(self._each([sets[at : at + step] for at in range(0, len(sets), step)]))
        if not parts:
            return Scores(np.zeros(0), np.zeros(0))
        return Scores(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    @abstractmethod
    def _each(self, several: Sequence[np.ndarray]) -> Iterator[Scores]:
        """Score lots of sets that are few enough for one go, one after the other."""

    def _scores(
        self,
        sets: np.ndarray,
        energy: Float[Tensor, " S"],
        influence: Float[Tensor, "S N"],
        mean: Float[Tensor, "S D"],
        doubted: Callable[[], np.ndarray],
    ) -> Scores:
        """Return energies with their terms, and keep the mean latents to learn from.

        `doubted` gives the error bars, where the risk asks for them.
        """
        self._seen.append((sets, numbers(mean - self.shifts.start)))
        total = numbers(energy) + self.terms.fixed(sets)
        if self.terms.risk:
            total += self.terms.risk * doubted()
        return Scores(total, standard_error(influence))

    def _learn(self) -> None:
        """Take in the shifts of what was scored since the last guess."""
        for known, shift in self._seen:
            self._guess.learn(known, shift)
        self._seen.clear()

    def _expected(self, sets: np.ndarray) -> Float[Tensor, "S D"]:
        """Return the mean latents expected of sets, NaN where a member was not scored."""
        return torch.from_numpy(self._guess(sets)).to(self.origin.start) + self.shifts.start


class MeanShiftObjective(ShiftObjective):
    """Energy of the mean latent that a set leaves the control cells in.

    Exact for the mean of g_φ over the origin's cells. First-order and pair `shifts` are run once
    and kept, so most sets are scored from sums. The standard error is over control cells, by the
    influence of each on the energy; all sets see the same cells. The mean has no latent samples.
    """

    def __init__(
        self,
        shifts: Shifts,
        goal: Goal,
        *,
        kind: str = "latent",
        terms: Terms | None = None,
        doubt: Doubt | None = None,
    ) -> None:
        super().__init__(shifts, goal, terms, doubt)
        self.energy: MeanEnergy = mean_energy(self.origin, goal, kind)

    def influence(self, sets: np.ndarray) -> np.ndarray:
        """Return how each control cell moves the energy of each set, float64 [N, cells].

        Their standard deviation over √cells is the standard error; that of the difference of two
        sets' rows is the error of the difference, as both see the same cells.
        """
        moved = self.shifts(np.asarray(sets, dtype=np.int64))
        _, gradient = with_gradient(self.energy, moved.mean)
        return numbers(self.shifts.along(moved, gradient))

    def latents(self, sets: np.ndarray) -> Float[Tensor, "S D"]:
        """Return the mean latent that each set leads to."""
        return self.shifts(np.asarray(sets, dtype=np.int64)).mean

    def guess(self, sets: np.ndarray) -> np.ndarray | None:
        """Return energies [N] expected from shifts scored before, NaN where a member was not."""
        self._learn()
        if not np.isfinite(self._guess.first).any():
            return None
        with torch.no_grad():
            energy = self.energy(self._expected(sets))
        return np.asarray(numbers(energy) + self.terms.fixed(sets))

    def error_bar(self, sets: np.ndarray) -> np.ndarray:
        """Return how far off each energy may be as the model's effects are, float64 [N]."""
        return self._bar(sets, self.latents(sets))

    def _each(self, several: Sequence[np.ndarray]) -> Iterator[Scores]:
        return map(self._score, several)

    def _score(self, sets: np.ndarray) -> Scores:
        moved = self.shifts(sets)
        energy, gradient = with_gradient(self.energy, moved.mean)
        own = self.shifts.along(moved, gradient)
        return self._scores(sets, energy, own, moved.mean, lambda: self._bar(sets, moved.mean))

    def _bar(self, sets: np.ndarray, mean: Float[Tensor, "S D"]) -> np.ndarray:
        assert self.doubt is not None
        return self.doubt.of_mean(sets, mean, self.energy)
