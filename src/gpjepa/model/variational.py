"""The variational latent head: how the perturbed latent is drawn, and its KL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gpjepa.model.draws import Source, normal
from gpjepa.model.encoder import ResidualBlock
from gpjepa.model.predictor import LOG_VARIANCE_LIMIT, Prediction


@dataclass(frozen=True)
class Gaussian:
    """A diagonal Gaussian per cell."""

    mean: Float[Tensor, "B D"]
    log_variance: Float[Tensor, "B D"]

    def sample(self, generator: Source) -> Float[Tensor, "B D"]:
        """Draw one latent per cell, differentiably in both parameters."""
        return self.mean + torch.exp(0.5 * self.log_variance) * normal(self.mean, generator)


def gaussian_kl(q: Gaussian, p: Gaussian) -> Float[Tensor, "B D"]:
    """Return KL(q ‖ p) in nats per cell and latent dimension."""
    ratio = q.log_variance - p.log_variance
    distance = (q.mean - p.mean).square() * torch.exp(-p.log_variance)
    return 0.5 * (torch.exp(ratio) + distance - 1.0 - ratio)


@dataclass(frozen=True)
class HeadOutput:
    """What a head gives in training: the latent to decode and the KL per dimension (nats)."""

    latent: Float[Tensor, "B D"]
    kl: Float[Tensor, "B D"]


class LatentHead(Protocol):
    """The seam at which ways of drawing the perturbed latent are exchanged."""

    def train_step(
        self, prediction: Prediction, target: Float[Tensor, "B D"], generator: Source
    ) -> HeadOutput:
        """Draw the latent that reconstructs the target cell, with its cost."""
        ...

    def sample(self, prediction: Prediction, generator: Source) -> Float[Tensor, "B D"]:
        """Draw a perturbed latent for each control cell, the target unseen."""
        ...


class RecognitionHead(nn.Module):
    """Recognition q(z | z_b, z_p, z_target); the predictor is the conditional prior π.

    Recognition starts at the encoded target with small variance and sees the prediction, in
    which z_b and z_p are. Source: Var-JEPA (2026), with π = g_φ.
    """

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2 * latent, hidden), nn.GELU(), ResidualBlock(hidden), nn.LayerNorm(hidden)
        )
        self.shift = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        with torch.no_grad():
            for layer in (self.shift, self.log_variance):
                layer.weight.mul_(0.1)
                layer.bias.zero_()
            self.log_variance.bias.fill_(-2.0)

    def recognise(self, prediction: Prediction, target: Float[Tensor, "B D"]) -> Gaussian:
        """Return q for the encoded targets."""
        seen = self.body(torch.cat((prediction.mean, target), dim=1))
        spread = self.log_variance(seen)
        bounded = LOG_VARIANCE_LIMIT * torch.tanh(spread / LOG_VARIANCE_LIMIT)
        return Gaussian(target + self.shift(seen), bounded)

    def train_step(
        self, prediction: Prediction, target: Float[Tensor, "B D"], generator: Source
    ) -> HeadOutput:
        """Draw from recognition; the KL is to the predictor."""
        q = self.recognise(prediction, target)
        prior = Gaussian(prediction.mean, prediction.log_variance)
        return HeadOutput(q.sample(generator), gaussian_kl(q, prior))

    def sample(self, prediction: Prediction, generator: Source) -> Float[Tensor, "B D"]:
        """Draw from the predictor."""
        return Gaussian(prediction.mean, prediction.log_variance).sample(generator)


class PredictiveHead(nn.Module):
    """The spec's letter: the predictor is q(z | z_b, z_p); π(z | z_b, z_p) is a net beside it."""

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        self.prior = nn.Sequential(
            nn.Linear(2 * latent, hidden), nn.GELU(), nn.Linear(hidden, 2 * latent)
        )

    def train_step(
        self, prediction: Prediction, target: Float[Tensor, "B D"], generator: Source
    ) -> HeadOutput:
        """Draw from the predictor; the KL is to the learnable conditional prior."""
        state = prediction.start
        mean, spread = self.prior(torch.cat((state, prediction.first_order), dim=1)).chunk(2, 1)
        bounded = LOG_VARIANCE_LIMIT * torch.tanh(spread / LOG_VARIANCE_LIMIT)
        q = Gaussian(prediction.mean, prediction.log_variance)
        return HeadOutput(q.sample(generator), gaussian_kl(q, Gaussian(state + mean, bounded)))

    def sample(self, prediction: Prediction, generator: Source) -> Float[Tensor, "B D"]:
        """Draw from the predictor."""
        return Gaussian(prediction.mean, prediction.log_variance).sample(generator)


class DeterministicHead(nn.Module):
    """One latent per cell and condition: the predictor's mean, without spread or KL."""

    def train_step(
        self, prediction: Prediction, target: Float[Tensor, "B D"], generator: Source
    ) -> HeadOutput:
        """Return the predicted mean; the target is not looked at."""
        return HeadOutput(prediction.mean, torch.zeros_like(prediction.mean))

    def sample(self, prediction: Prediction, generator: Source) -> Float[Tensor, "B D"]:
        """Return the predicted mean."""
        return prediction.mean
