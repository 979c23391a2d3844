"""Energies of populations of latent cells, with what each cell contributes to their error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError, unknown
from gpjepa.planning.energy import (
    EffectEnergy,
    MeanEnergy,
    effect_energy,
    mean_energy,
    with_gradient,
)
from gpjepa.planning.goal import DirectionGoal, Goal, SignatureGoal
from gpjepa.planning.origin import Origin

KINDS = ("energy-distance", "latent", "expression")


class Valued(NamedTuple):
    """Energies [S], and the influence of every cell on each [S, N], of mean 0 over the cells.

    The standard deviation of the influences over √cells is the energy's standard error.
    """

    energy: Float[Tensor, " S"]
    influence: Float[Tensor, "S N"]


class PopulationEnergy(Protocol):
    """Energy of populations [S, N, D] of latent cells; lower is nearer the goal."""

    def __call__(self, cells: Float[Tensor, "S N D"]) -> Valued:
        """Return energies and influences."""


@dataclass(frozen=True, eq=False)
class EnergyDistance:
    """2 E|X − Y| − E|X − X'| − E|Y − Y'| to the goal's cells Y, distances not squared.

    Means run over all pairs, a cell with itself included (the V-statistic), as in
    `evaluation.distances`. Source: Székely and Rizzo 2013, equation 2.2.
    """

    goal: Float[Tensor, "M D"]
    within: Float[Tensor, ""] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", torch.cdist(self.goal, self.goal).mean())

    def __call__(self, cells: Float[Tensor, "S N D"]) -> Valued:
        """Return the distances; a cell's influence is that on the statistic's first order."""
        across = torch.cdist(cells, self.goal.expand(len(cells), -1, -1)).mean(dim=2)
        own = torch.cdist(cells, cells).mean(dim=2)
        energy = 2 * across.mean(dim=1) - own.mean(dim=1) - self.within
        return Valued(energy, _centred(2 * (across - own)))


@dataclass(frozen=True, eq=False)
class OfMean:
    """An energy of the cells' mean latent."""

    score: MeanEnergy

    def __call__(self, cells: Float[Tensor, "S N D"]) -> Valued:
        """Return the energies."""
        energy, slope = with_gradient(self.score, cells.mean(dim=1))
        return Valued(energy, _centred(torch.einsum("snd,sd->sn", cells, slope)))


@dataclass(frozen=True, eq=False)
class Decoded:
    """An energy of the effects [S, G] that populations have once every cell is decoded.

    Effects are of pseudobulks, so cells count by their library.
    """

    origin: Origin
    score: EffectEnergy
    baseline: Float[Tensor, " G"] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "baseline", self.origin.baseline)

    def __call__(self, cells: Float[Tensor, "S N D"]) -> Valued:
        """Return energies of decoded populations."""
        sets, count = cells.shape[:2]
        model, origin = self.origin.model, self.origin
        weight = origin.weight.repeat(count // origin.cells) * origin.cells / count
        with torch.no_grad():
            shares = model.decoder.mean_shares(cells.flatten(0, 1), origin.offset)
            shares = shares.view(sets, count, -1)
            pooled = torch.einsum("n,sng->sg", weight, shares)
        energy, slope = with_gradient(self._of_shares, pooled)
        influence = torch.einsum("sng,sg->sn", shares - pooled[:, None], slope)
        return Valued(energy, _centred(influence * weight * count))

    def _of_shares(self, shares: Float[Tensor, "S G"]) -> Float[Tensor, " S"]:
        """Return the energies of pooled shares of the library."""
        return self.score(torch.log1p(self.origin.target * shares) - self.baseline)


def population_energy(
    origin: Origin, goal: Goal, kind: str = "energy-distance"
) -> PopulationEnergy:
    """Return the energy of populations of latent cells to a goal.

    `kind` is "energy-distance", "latent" (of the mean) or "expression" (of decoded cells). A
    signature is in expression whatever the kind, and a direction has no energy distance: its is
    the way along it. Raises `ConfigError` as `mean_energy` does.
    """
    if kind not in KINDS:
        raise ConfigError(unknown("energy", kind, KINDS, f"use one of {', '.join(KINDS)}"))
    if kind == "expression" or isinstance(goal, SignatureGoal):
        return Decoded(origin, effect_energy(origin, goal))
    if kind == "latent" or isinstance(goal, DirectionGoal):
        return OfMean(mean_energy(origin, goal))
    return EnergyDistance(goal.latents.to(origin.start))


def _centred(influence: Float[Tensor, "S N"]) -> Float[Tensor, "S N"]:
    return influence - influence.mean(dim=1, keepdim=True)
