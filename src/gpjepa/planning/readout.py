"""From effects in expression back to the mean latents that decode to them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.planning.effects import EffectMap, gene_weights
from gpjepa.planning.goal import CellsGoal, Goal
from gpjepa.planning.origin import Origin

RIDGE = 3e-2  # of the solution, relative to the mean square of the Jacobian's columns
STEPS = 4  # of Gauss and Newton


class Readout:
    """Finds latent shifts by effects, the inverse of `EffectMap`, by weighted ridge regression."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.effects = EffectMap(origin)

    def __call__(
        self, effect: Float[Tensor, " G"], weights: Float[Tensor, " G"]
    ) -> Float[Tensor, " D"]:
        """Return the shift of the mean latent that decodes to an effect, as near as it can.

        Genes count by `weights`. The effect of a shift is not linear: a few steps of Gauss and
        Newton, each pulled to no shift.
        """
        shift = torch.zeros_like(self.effects.mean)
        for _ in range(STEPS):
            jacobian = self._jacobian(shift)
            with torch.no_grad():
                left = effect - self.effects((self.effects.mean + shift)[None])[0]
            seen = jacobian.T @ (weights * left + weights * (jacobian @ shift))
            shift = torch.linalg.solve(self._gram(jacobian, weights), seen)
        return shift

    @cached_property
    def inverse(self) -> Float[Tensor, "D G"]:
        """Return latent shifts per unit of effect of each gene, around no shift."""
        jacobian = self._jacobian(torch.zeros_like(self.effects.mean))
        gram = self._gram(jacobian, torch.ones_like(jacobian[:, 0]))
        return torch.linalg.solve(gram, jacobian.T)

    def _jacobian(self, shift: Float[Tensor, " D"]) -> Float[Tensor, "G D"]:
        def decoded(latent: Tensor) -> Tensor:
            return self.effects(latent[None])[0]

        with torch.enable_grad():
            found = torch.func.jacfwd(decoded)(self.effects.mean + shift)
        return found.detach()

    def _gram(self, jacobian: Tensor, weights: Tensor) -> Float[Tensor, "D D"]:
        gram = jacobian.T @ (weights[:, None] * jacobian)
        ridge = RIDGE * torch.diagonal(gram).mean().clamp_min(1e-12)
        return gram + ridge * torch.eye(len(gram), device=gram.device, dtype=gram.dtype)


def placed(origin: Origin, goal: Goal) -> Goal:
    """Return goal cells moved as one to where decoded cells have the effect that was measured.

    The teacher's latents of perturbed cells lie elsewhere than the predicted latents that decode
    to the same expression, and mostly nearer the control cells. Their spread stays. Other goals,
    and cells without counts, stay as they are.
    """
    if not isinstance(goal, CellsGoal) or goal.effect is None:
        return goal
    effect = goal.effect.to(origin.start)
    shift = Readout(origin)(effect, gene_weights(origin))
    latents = goal.latents.to(origin.start)
    target = origin.start.mean(dim=0) + shift
    return replace(goal, latents=latents - latents.mean(dim=0) + target)
