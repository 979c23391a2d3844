"""The objective that scores whole populations of latent cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.random import torch_stream
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import DeterministicHead
from gpjepa.planning.energy import KINDS as MEAN_KINDS
from gpjepa.planning.energy import mean_energy
from gpjepa.planning.goal import Goal
from gpjepa.planning.numbers import numbers
from gpjepa.planning.objective import Scores
from gpjepa.planning.population_energy import (
    EnergyDistance,
    PopulationEnergy,
    Valued,
    population_energy,
)
from gpjepa.planning.risk import Doubt
from gpjepa.planning.scoring import ShiftObjective, Terms
from gpjepa.planning.shifts import Shifts

AHEAD = 2**25  # numbers that are run before the first of some lots of sets is scored
GUESSED = 512  # sets guessed at once
FEW = 32  # cells that a guess is made of
STEP = 0.01  # of a cell's spread, that gradients are differences over
TINY = 1e-6


class PopulationObjective(ShiftObjective):
    """Energy of the population of latent cells that a set makes of the control cells.

    Latents are those that the model's head draws, `draws` of each control cell; all sets see the
    same cells and the same noise. The standard error is over cells and their latents, by the
    influence of each on the energy.
    """

    at_once = 64

    def __init__(
        self,
        shifts: Shifts,
        goal: Goal,
        *,
        kind: str = "energy-distance",
        terms: Terms | None = None,
        doubt: Doubt | None = None,
        draws: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(shifts, goal, terms, doubt)
        origin = self.origin
        self.draws, self.seed = draws, seed
        self.energy: PopulationEnergy = population_energy(origin, goal, kind)
        self._of_mean = mean_energy(origin, goal, kind if kind in MEAN_KINDS else "latent")
        generator = torch_stream(seed, "population", device=origin.start.device)
        noise = origin.start.new_empty((draws, *origin.start.shape))
        self.noise = noise.normal_(generator=generator)
        self._spread = torch.zeros_like(origin.start)  # summed log-variances, for guesses
        self._spread_of = 0

    def _each(self, several: Sequence[np.ndarray]) -> Iterator[Scores]:
        """Score lots of sets; spreads are run for some of them ahead, for processes to share."""
        step = max(1, AHEAD // (self.at_once * self.origin.start.numel()))
        for at in range(0, len(several), step):
            lots = several[at : at + step]
            for sets, spread in zip(lots, self._spreads(lots), strict=True):
                yield self._score(sets, spread)

    def influence(self, sets: np.ndarray) -> np.ndarray:
        """Return how each control cell, with its latents, moves each energy, float64 [N, cells].

        Their standard deviation over √cells is the standard error; that of the difference of two
        sets' rows is the error of the difference, as both see the same cells and noise.
        """
        return numbers(self._by_cell(self.energy(self.cells(sets))))

    @torch.no_grad()
    def cells(self, sets: np.ndarray) -> Float[Tensor, "S C D"]:
        """Return the populations of latents that sets lead to, `draws` of each control cell."""
        return self._drawn(self.predicted(np.asarray(sets, dtype=np.int64)))

    def predicted(self, sets: np.ndarray) -> Prediction:
        """Return what g_φ predicts of every cell under each set, cells within sets."""
        return self._predicted(sets, self._spreads([sets])[0])

    def _spreads(self, several: Sequence[np.ndarray]) -> list[Float[Tensor, "S N D"]]:
        """Return the log-variances of every cell under lots of sets."""
        return [read.log_variance for read in self.shifts.read(several)]

    @torch.no_grad()
    def _predicted(self, sets: np.ndarray, spread: Float[Tensor, "S N D"]) -> Prediction:
        first, second = self.shifts.of_cells(sets)
        flat = (self.origin.start + first + second, spread, first, second)
        return Prediction(*(part.flatten(0, 1) for part in flat))

    def guess(self, sets: np.ndarray) -> np.ndarray | None:
        """Return energies [N] of shifts expected from those scored before.

        An energy distance is that of a few cells, whose own shifts and spread are taken to be
        common to all sets; another energy is that of the mean latent.
        """
        if not self._spread_of:
            return None
        self._learn()
        found = [self.terms.fixed(sets[:0])]
        for at in range(0, len(sets), GUESSED):
            part = sets[at : at + GUESSED]
            found.append(self._promised(self._expected(part)) + self.terms.fixed(part))
        return np.concatenate(found)

    @torch.no_grad()
    def _promised(self, mean: Float[Tensor, "S D"]) -> np.ndarray:
        """Return the energies that mean latents let expect."""
        if not isinstance(self.energy, EnergyDistance):
            return numbers(self._of_mean(mean))
        row, goal = few_of(self.origin.cells, FEW), self.energy.goal
        spread = torch.exp(0.5 * self._spread[row] / self._spread_of)
        cells = self.origin.start[row] - self.shifts.start + spread * self.noise[0, row]
        cells = cells - cells.mean(dim=0)
        fewer = EnergyDistance(goal[few_of(len(goal), 2 * FEW)])
        return numbers(fewer(cells + mean[:, None]).energy)

    def error_bar(self, sets: np.ndarray) -> np.ndarray:
        """Return how far off each energy may be as the model's effects are, float64 [N]."""
        return self._bar(sets, self.cells(sets))

    def _score(self, sets: np.ndarray, spread: Float[Tensor, "S N D"]) -> Scores:
        prediction = self._predicted(sets, spread)
        drawn = self._drawn(prediction)
        valued = self.energy(drawn)
        mean = self._note(prediction)
        own = self._by_cell(valued)
        return self._scores(sets, valued.energy, own, mean, lambda: self._bar(sets, drawn))

    def _bar(self, sets: np.ndarray, cells: Float[Tensor, "S C D"]) -> np.ndarray:
        assert self.doubt is not None
        gradient = shift_gradient(self.energy, cells)
        return self.doubt.of_latents(sets, cells.mean(dim=1), gradient)

    def _drawn(self, prediction: Prediction) -> Float[Tensor, "S C D"]:
        """Return latents of all cells of each set, the same noise for every set."""
        cells, width = self.origin.start.shape
        head = self.origin.model.head
        mean = prediction.mean.view(-1, 1, cells, width)
        if isinstance(head, DeterministicHead):
            return mean.expand(-1, self.draws, -1, -1).flatten(1, 2)
        if isinstance(head, ResidualHead) and bool(head.fitted):
            return self._by_head(prediction)
        spread = torch.exp(0.5 * prediction.log_variance).view_as(mean)
        return (mean + spread * self.noise).flatten(1, 2)

    def _by_head(self, prediction: Prediction) -> Float[Tensor, "S C D"]:
        """Draw from a learned head, whose noise is its own: the same stream for every set."""
        device, cells = self.origin.start.device, self.origin.cells
        row = torch.arange(cells, device=device).repeat(self.draws)
        found = []
        for start in range(0, len(prediction.mean), cells):
            generator = torch_stream(self.seed, "population", device=device)
            found.append(self.origin.model.head.sample(prediction.rows(start + row), generator))
        return torch.stack(found)

    def _by_cell(self, valued: Valued) -> Float[Tensor, "S N"]:
        """Return each control cell's influence, the mean over its draws."""
        return valued.influence.view(len(valued.energy), self.draws, -1).mean(dim=1)

    def _note(self, prediction: Prediction) -> Float[Tensor, "S D"]:
        """Return the mean latent of each set, and keep the spread of all."""
        cells, width = self.origin.start.shape
        spread = prediction.log_variance.view(-1, cells, width)
        self._spread += spread.sum(dim=0)
        self._spread_of += len(spread)
        return prediction.mean.view(-1, cells, width).mean(dim=1)


def few_of(count: int, most: int) -> Tensor:
    """Return up to `most` rows of `count`, evenly spaced."""
    return torch.linspace(0, count - 1, min(most, count)).round().long()


def shift_gradient(energy: PopulationEnergy, cells: Float[Tensor, "S N D"]) -> Float[Tensor, "S D"]:
    """Return the gradients of energies [S] in a shift that is common to a population's cells.

    By differences: an energy need not be differentiable by itself.
    """
    width = cells.shape[2]
    step = STEP * cells.std(dim=1).mean().clamp_min(TINY)
    found = []
    for axis in torch.eye(width, device=cells.device, dtype=cells.dtype):
        ahead, behind = (energy(cells + sign * step * axis).energy for sign in (1.0, -1.0))
        found.append((ahead - behind) / (2 * step))
    return torch.stack(found, dim=1)
