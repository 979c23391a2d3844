"""The latent head that draws the perturbed latent by diffusion."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion.samplers import FEWEST, METHODS, Drawn, Method, draw
from gpjepa.model.diffusion.schedules import Shape
from gpjepa.model.diffusion.score import (
    Denoiser,
    Frame,
    ResidualNetwork,
    normal_quantile,
    spread_evenly,
    withhold,
)
from gpjepa.model.diffusion.sde import Process, diffusion_process
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import HeadOutput, RecognitionHead

LEVEL_DEVIATION = 1.0  # of log σ in training, around 0: levels as large as the residuals


class DiffusionHead(nn.Module):
    """Latent diffusion of what the predicted mean leaves, around a variational head.

    In Stages B + C it is `base`. Afterwards `prepare` measures the residuals, `loss` fits the
    network on latents drawn from recognition with all else frozen, and `finish` makes `sample`
    draw by diffusion. The network learns noise levels, not times: process, schedule, sampler and
    number of evaluations are choices of sampling, and change without fitting again.
    Source: Karras et al. 2022; Song et al. 2021.
    """

    fitted: Tensor

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
        super().__init__()
        _require_settings(sampler, evaluations, guidance, dropout)
        latent = base.shift.out_features
        self.base = base
        self.process = diffusion_process(process, schedule)
        self.sampler, self.evaluations = sampler, evaluations
        self.guidance, self.dropout = guidance, dropout
        self.frame = Frame(latent)
        self.denoiser = Denoiser(ResidualNetwork(latent, width, tokens, layers, heads))
        self.register_buffer("fitted", torch.tensor(False))

    def train_step(
        self, prediction: Prediction, target: Float[Tensor, "B D"], generator: Generator
    ) -> HeadOutput:
        """Do what the variational head does."""
        return self.base.train_step(prediction, target, generator)

    def prepare(self, prediction: Prediction, latent: Float[Tensor, "B D"]) -> None:
        """Measure the scale of the residuals on a sample of training cells, before fitting."""
        self.frame.measure(prediction, latent)

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

    def finish(self) -> None:
        """Declare the network fitted: from now on it draws the latents."""
        self.fitted.fill_(True)

    def sample(self, prediction: Prediction, generator: Generator) -> Float[Tensor, "B D"]:
        """Draw a perturbed latent for each control cell; raise `NonFiniteScore`."""
        if not bool(self.fitted):
            return self.base.sample(prediction, generator)
        return self.frame.latent(prediction, self.residuals(prediction, generator).latent)

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
