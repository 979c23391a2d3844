"""Energies of mean latents: how far a set leaves the control cells from the goal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError, unknown
from gpjepa.planning.effects import EffectMap
from gpjepa.planning.goal import DirectionGoal, Goal, LatentGoal, SignatureGoal
from gpjepa.planning.origin import Origin

KINDS = ("latent", "expression")


class MeanEnergy(Protocol):
    """Energy [S] of mean latents [S, D], differentiable; lower is nearer the goal."""

    def __call__(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, " S"]:
        """Return the energies."""


@dataclass(frozen=True, eq=False)
class LatentDistance:
    """Mean absolute difference to the goal's mean latent over the D dimensions.

    Source: Assran et al. 2025 (V-JEPA 2-AC), equation 5, of the population's mean.
    """

    goal: Float[Tensor, " D"]

    def __call__(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, " S"]:
        """Return the distances."""
        return (latent - self.goal).abs().mean(dim=1)


@dataclass(frozen=True, eq=False)
class Progress:
    """Minus the way from `start` along a direction of length 1."""

    start: Float[Tensor, " D"]
    direction: Float[Tensor, " D"]

    def __call__(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, " S"]:
        """Return how far each latent is short of the start, below 0 where it is beyond."""
        return -(latent - self.start) @ self.direction


@dataclass(frozen=True, eq=False)
class EffectDistance:
    """Root mean squared difference to the goal's effect over genes, log1p units."""

    effects: EffectMap
    goal: Float[Tensor, " G"]
    genes: Tensor

    def __call__(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, " S"]:
        """Return the distances."""
        apart = self.effects(latent)[:, self.genes] - self.goal[self.genes]
        return torch.sqrt(apart.square().mean(dim=1))


@dataclass(frozen=True, eq=False)
class Signature:
    """Minus the weighted mean effect over genes, log1p units; weights' magnitudes sum to 1."""

    effects: EffectMap
    weights: Float[Tensor, " G"]

    def __call__(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, " S"]:
        """Return the energies; below 0 where the signature is met."""
        return -self.effects(latent) @ self.weights


def mean_energy(origin: Origin, goal: Goal, kind: str = "latent") -> MeanEnergy:
    """Return the energy of mean latents to a goal.

    `kind` is "latent" or "expression"; a signature is in expression whatever the kind. Raises
    `ConfigError` for an unknown kind, and for expression where the goal has no effect.
    """
    if kind not in KINDS:
        raise ConfigError(unknown("energy", kind, KINDS, f"use one of {', '.join(KINDS)}"))
    device = origin.start.device
    if isinstance(goal, SignatureGoal):
        effects = EffectMap(origin)
        return Signature(effects, goal.vector(effects.genes).to(device))
    if kind == "latent":
        if isinstance(goal, DirectionGoal):
            way = goal.latent.to(device)
            return Progress(origin.start.mean(dim=0), way / way.norm())
        return LatentDistance(goal.mean.to(origin.start))
    if isinstance(goal, LatentGoal) or goal.effect is None:
        raise ConfigError(
            "the goal has no effect in expression; expected one for the energy 'expression'; give "
            "goal cells with counts, or use the energy 'latent'"
        )
    effects, effect = EffectMap(origin), goal.effect.to(origin.start)
    if isinstance(goal, DirectionGoal):
        return Signature(effects, effect / effect.abs().sum())
    return EffectDistance(effects, effect, responding(origin))


def responding(origin: Origin) -> Tensor:
    """Return the genes that effects are compared on: those that effects are composed on, or all."""
    composition = origin.model.predictor.composition
    if composition is None:
        return torch.arange(origin.model.decoder.genes, device=origin.start.device)
    return composition.genes
