"""One way to compose: directions, factors and a kernel, fitted on singles and doubles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.compose.kernel_fit import Objective, Residuals, fit_interaction
from gpjepa.compose.members import Alone
from gpjepa.evaluation.baselines_strong import (
    PRIOR_DOUBLES,
    direction_factors,
    leading_directions,
    median_distance,
)
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.model.composition import Composition, PairInteraction, PairKernel
from gpjepa.model.error_bars import pair_doubt

FEWEST_DOUBLES = 8  # a kernel is learned from this many on


@dataclass(frozen=True)
class Recipe:
    """Share of the directions that is kept, and how the kernel is learned (None: no kernel).

    `pull` doubles' worth of evidence pulls the factor of each direction towards the shared one.
    """

    share: float
    objective: Objective | None
    pull: float = PRIOR_DOUBLES


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fitted composition along D directions; `noise` is the kernel's own noise variance."""

    recipe: Recipe
    basis: np.ndarray  # [D, G], orthonormal rows
    composition: Composition
    noise: float

    def predict(self, alone: Alone, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G] of sets whose members are all in `alone`."""
        composed = self.composition(alone.members(labels, self.basis))
        total = composed.first_order + composed.second_order
        return np.asarray(total.numpy() @ self.basis)

    def alone(self, alone: Alone, labels: Sequence[str]) -> np.ndarray:
        """Return the sum of the members' effects along the directions [labels, G]."""
        return np.asarray(alone.sums(labels) @ self.basis.T @ self.basis)

    def doubt(self, alone: Alone, labels: Sequence[str]) -> np.ndarray:
        """Return how far off each prediction may be [labels], up to a factor.

        The square root of the kernel's posterior variance plus its noise, growing with the square
        root of the sum's length.
        """
        members = alone.members(labels, self.basis, size=2)
        noise = torch.tensor(self.noise, dtype=torch.float64)
        return np.asarray(pair_doubt(self.composition, members, noise).numpy())

    @property
    def noise_only(self) -> bool:
        """Tell whether there is no kernel."""
        return not len(self.composition.interaction.weights)


def fit_candidate(table: EffectTable, alone: Alone, recipe: Recipe) -> Candidate:
    """Fit factors and kernel on the doubles of `table` that have both singles."""
    basis = _directions(table, recipe)
    pairs = table.pairs
    labels = [table.labels[row] for row in pairs.rows]
    anchors = alone.members(labels, basis)
    doubles = table.effects[pairs.rows] @ basis.T
    sums = anchors.effects.sum(dim=1).numpy() if labels else np.zeros((0, len(basis)))
    factors = torch.from_numpy(direction_factors(sums, doubles, recipe.pull))
    unit = median_distance(alone.effects[alone.measured] @ basis.T)
    if recipe.objective is None or len(labels) < FEWEST_DOUBLES:
        none = PairInteraction(PairKernel(unit), alone.members([], basis, size=2)).double()
        none.requires_grad_(False)
        return Candidate(recipe, basis, Composition(factors, none), 1.0)
    error = np.linalg.norm(table.effects[pairs.rows] - table.sums(labels), axis=1)
    beyond = doubles - factors.numpy() * sums
    residuals = Residuals.of(beyond, error, sums, table.effects @ basis.T, unit)
    interaction, noise = fit_interaction(anchors, residuals, unit, recipe.objective)
    return Candidate(recipe, basis, Composition(factors, interaction), float(noise))


def _directions(table: EffectTable, recipe: Recipe) -> np.ndarray:
    """Return the leading directions of the training effects, a share of the table's rank."""
    basis = leading_directions(table.effects)
    return basis[: max(1, round(recipe.share * len(basis)))]
