"""The latent head that draws the perturbed latent by diffusion."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.diffusion.samplers import FEWEST, METHODS, Drawn, Method, draw
from gpjepa.model.diffusion.schedules import Shape
from gpjepa.model.diffusion.score import (
    Denoiser,
    ResidualNetwork,
    normal_quantile,
    spread_evenly,
    withhold,
)
from gpjepa.model.diffusion.sde import Process, diffusion_process
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import RecognitionHead

LEVEL_DEVIATION = 1.0  # of log σ in training, around 0: levels as large as the residuals


class DiffusionHead(ResidualHead):
    """Latent diffusion of what the predicted mean leaves, around a variational head.

    The network learns noise levels, not times: process, schedule, sampler and number of
    evaluations are choices of sampling, and change without fitting again.
    Source: Karras et al. 2022; Song et al. 2021.
    """

    def __init__(
        self,
        base: RecognitionHead,
        *,
        process: Process = "vp",
        schedule: Shape = "cosine",
        sampler: Method = "ode",
        evaluations: int = 20,
        guidance: float = 1.0,
        dropout: float = 0.1,
        width: int = 48,
        tokens: int = 4,
        layers: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__(base)
        _require_settings(sampler, evaluations, guidance, dropout)
        self.process = diffusion_process(process, schedule)
        self.sampler, self.evaluations = sampler, evaluations
        self.guidance, self.dropout = guidance, dropout
        self.denoiser = Denoiser(ResidualNetwork(self.latent, width, tokens, layers, heads))

    def loss(
        self, prediction: Prediction, latent: Float[Tensor, "B D"], generator: Generator
    ) -> Float[Tensor, ""]:
        """Return the denoising loss of drawn latents; 1 is what an untrained network has.

        Source: Karras et al. 2022, equation 8, weighted so that every level counts alike.
        """
        residual = self.frame.residual(prediction, latent)
        told = withhold(self.frame.circumstances(prediction), self.dropout, generator)
        share = spread_evenly(len(residual), generator)
        level = torch.exp(LEVEL_DEVIATION * normal_quantile(share))
        noise = torch.empty_like(residual).normal_(generator=generator)
        error = self.denoiser(residual + level * noise, level, told) - residual
        return ((1.0 + level.square()) / level.square() * error.square()).mean()

    @torch.no_grad()
    def residuals(self, prediction: Prediction, generator: Generator) -> Drawn:
        """Draw residuals r = (z − mean) / scale by diffusion, and count the evaluations."""
        told = self.frame.circumstances(prediction)
        rows, latent = prediction.mean.shape

        def denoise(noisy: Tensor, level: Tensor) -> Tensor:
            return self.denoiser.guided(noisy, level.expand(rows, 1), told, self.guidance)

        return draw(denoise, self.process, self.sampler, self.evaluations, rows, latent, generator)


def _require_settings(sampler: str, evaluations: int, guidance: float, dropout: float) -> None:
    known = sampler in METHODS and evaluations >= FEWEST
    if not (known and guidance >= 0.0 and 0.0 <= dropout < 1.0):
        raise ConfigError(
            f"the head has sampler {sampler!r}, {evaluations} evaluations, guidance {guidance} and "
            f"dropout {dropout}; expected one of {', '.join(METHODS)}, at least {FEWEST} "
            "evaluations, guidance of at least 0 (1: none) and dropout within [0, 1); change them"
        )
