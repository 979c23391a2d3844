"""Energies of mean latents: how far a set leaves the control cells from the goal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.core.errors import ConfigError, unknown
from gpjepa.planning.effects import EffectMap, gene_weights
from gpjepa.planning.goal import DirectionGoal, Goal, LatentGoal, SignatureGoal
from gpjepa.planning.origin import Origin

KINDS = ("latent", "expression")


class MeanEnergy(Protocol):
    """Energy [S] of mean latents [S, D], differentiable; lower is nearer the goal."""

    def __call__(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, " S"]:
        """Return the energies."""


class EffectEnergy(Protocol):
    """Energy [S] of effects [S, G] in log1p units, differentiable."""

    def __call__(self, effect: Float[Tensor, "S G"]) -> Float[Tensor, " S"]:
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
    """Root mean squared difference to the goal's effect over genes, log1p units.

    Genes count by `weights` [G].
    """

    goal: Float[Tensor, " G"]
    weights: Float[Tensor, " G"]

    def __call__(self, effect: Float[Tensor, "S G"]) -> Float[Tensor, " S"]:
        """Return the distances."""
        square = (effect - self.goal).square() @ self.weights
        return torch.sqrt(square / self.weights.sum())


@dataclass(frozen=True, eq=False)
class Signature:
    """Minus the weighted mean effect over genes, log1p units; weights' magnitudes sum to 1."""

    weights: Float[Tensor, " G"]

    def __call__(self, effect: Float[Tensor, "S G"]) -> Float[Tensor, " S"]:
        """Return the energies; below 0 where the signature is met."""
        return -effect @ self.weights


@dataclass(frozen=True, eq=False)
class OfEffect:
    """An energy of the effects that mean latents decode to."""

    effects: EffectMap
    score: EffectEnergy

    def __call__(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, " S"]:
        """Return the energies."""
        return self.score(self.effects(latent))


def with_gradient(
    energy: Callable[[Tensor], Tensor], at: Float[Tensor, "S N"]
) -> tuple[Float[Tensor, " S"], Float[Tensor, "S N"]]:
    """Return energies of S latents, effects or shares, and the gradient of each in its own."""
    with torch.enable_grad():
        at = at.detach().requires_grad_()
        value = energy(at)
        (gradient,) = torch.autograd.grad(value.sum(), at)
    return value.detach(), gradient


def mean_energy(origin: Origin, goal: Goal, kind: str = "latent") -> MeanEnergy:
    """Return the energy of mean latents to a goal.

    `kind` is "latent" or "expression"; a signature is in expression whatever the kind. Raises
    `ConfigError` for an unknown kind, and for expression where the goal has no effect.
    """
    if kind not in KINDS:
        raise ConfigError(unknown("energy", kind, KINDS, f"use one of {', '.join(KINDS)}"))
    if kind == "expression" or isinstance(goal, SignatureGoal):
        return OfEffect(EffectMap(origin), effect_energy(origin, goal))
    if isinstance(goal, DirectionGoal):
        way = goal.latent.to(origin.start)
        return Progress(origin.start.mean(dim=0), way / way.norm())
    return LatentDistance(goal.mean.to(origin.start))


def effect_energy(origin: Origin, goal: Goal) -> EffectEnergy:
    """Return the energy of effects to a goal; raise `ConfigError` for a goal without an effect."""
    genes = origin.model.decoder.genes
    if isinstance(goal, SignatureGoal):
        return Signature(goal.vector(genes).to(origin.start))
    if isinstance(goal, LatentGoal) or goal.effect is None:
        raise ConfigError(
            "the goal has no effect in expression; expected one for the energy 'expression'; give "
            "goal cells with counts, or use the energy 'latent'"
        )
    effect = goal.effect.to(origin.start)
    if isinstance(goal, DirectionGoal):
        return Signature(effect / effect.abs().sum())
    return EffectDistance(effect, gene_weights(origin, goal.error))
