"""The latent head that draws the perturbed latent by flow matching."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.diffusion.samplers import FEWEST, Drawn, NonFiniteScore
from gpjepa.model.diffusion.score import (
    Circumstances,
    ResidualNetwork,
    normal_quantile,
    spread_evenly,
    withhold,
)
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import RecognitionHead

Solver = Literal["heun", "euler"]


class FlowHead(ResidualHead):
    """Straight paths from noise to what the predicted mean leaves, around a variational head.

    x(τ) = (1 − τ) ε + τ r; the network learns E[r − ε | x(τ)] and is integrated from τ = 0 to 1.
    Source: Lipman et al. 2023; Liu et al. 2023.
    """

    def __init__(
        self,
        base: RecognitionHead,
        *,
        solver: Solver = "heun",
        evaluations: int = 20,
        dropout: float = 0.1,
        width: int = 48,
        tokens: int = 4,
        layers: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__(base)
        known = solver in ("heun", "euler") and evaluations >= FEWEST
        if not (known and 0.0 <= dropout < 1.0):
            raise ConfigError(
                f"the flow has solver {solver!r}, {evaluations} evaluations and dropout {dropout}; "
                f"expected heun or euler, at least {FEWEST} evaluations and dropout within [0, 1); "
                "change them"
            )
        self.solver, self.evaluations, self.dropout = solver, evaluations, dropout
        self.network = ResidualNetwork(self.latent, width, tokens, layers, heads)

    def loss(
        self, prediction: Prediction, latent: Float[Tensor, "B D"], generator: Generator
    ) -> Float[Tensor, ""]:
        """Return the mean square error of the velocity, times drawn from a logistic normal.

        Source: Lipman et al. 2023, equation 9; Esser et al. 2024 for the times.
        """
        residual = self.frame.residual(prediction, latent)
        told = withhold(self.frame.circumstances(prediction), self.dropout, generator)
        time = torch.sigmoid(normal_quantile(spread_evenly(len(residual), generator)))
        noise = torch.empty_like(residual).normal_(generator=generator)
        found = self.velocity((1.0 - time) * noise + time * residual, time, told)
        return (found - (residual - noise)).square().mean()

    def velocity(
        self, x: Float[Tensor, "B D"], time: Float[Tensor, "B 1"], told: Circumstances
    ) -> Float[Tensor, "B D"]:
        """Return the velocity at a point of the path."""
        size = torch.rsqrt(time.square() + (1.0 - time).square())
        return self.network(size * x, size * time, 4.0 * time - 2.0, told)

    @torch.no_grad()
    def residuals(self, prediction: Prediction, generator: Generator) -> Drawn:
        """Draw residuals r = (z − mean) / scale by the flow, and count the evaluations."""
        told = self.frame.circumstances(prediction)
        x = torch.empty_like(prediction.mean).normal_(generator=generator)
        steps = self.evaluations // 2 if self.solver == "heun" else self.evaluations
        for step in range(steps):
            start, end = step / steps, (step + 1) / steps
            slope = self._slope(x, start, told, step)
            if self.solver == "heun":
                ahead = x + (end - start) * slope
                slope = 0.5 * (slope + self._slope(ahead, end, told, step))
            x = x + (end - start) * slope
        return Drawn(x, steps * (2 if self.solver == "heun" else 1))

    def _slope(self, x: Tensor, time: float, told: Circumstances, step: int) -> Tensor:
        """Return the velocity at one time for all rows; raise `NonFiniteScore`."""
        found = self.velocity(x, torch.full_like(told.known, time), told)
        bad = ~torch.isfinite(found).all(dim=1)
        if bool(bad.any()):
            raise NonFiniteScore(step, tuple(torch.nonzero(bad).squeeze(1).tolist()), len(x))
        return found
