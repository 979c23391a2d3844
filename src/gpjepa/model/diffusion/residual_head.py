"""What heads share that are fitted to what the predicted mean leaves of drawn latents."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from gpjepa.model.diffusion.samplers import Drawn
from gpjepa.model.diffusion.score import Frame
from gpjepa.model.draws import Source
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import HeadOutput, RecognitionHead


class ResidualHead(nn.Module, ABC):
    """A learned distribution of residuals around a variational head.

    In Stages B + C it is `base`. Afterwards `prepare` measures the residuals, `loss` fits its
    network on latents drawn from recognition with all else frozen, and `finish` makes `sample`
    draw from it.
    """

    fitted: Tensor
    evaluations: int  # of the network, at most, for one draw

    def __init__(self, base: RecognitionHead) -> None:
        super().__init__()
        self.base = base
        self.frame = Frame(self.latent)
        self.register_buffer("fitted", torch.tensor(False))

    @property
    def latent(self) -> int:
        """Return the number of latent dimensions."""
        return self.base.shift.out_features

    def train_step(
        self, prediction: Prediction, target: Float[Tensor, "B D"], generator: Source
    ) -> HeadOutput:
        """Do what the variational head does."""
        return self.base.train_step(prediction, target, generator)

    def prepare(self, prediction: Prediction, latent: Float[Tensor, "B D"]) -> None:
        """Measure the scale of the residuals on a sample of training cells, before fitting."""
        self.frame.measure(prediction, latent)

    @abstractmethod
    def loss(
        self, prediction: Prediction, latent: Float[Tensor, "B D"], generator: Generator
    ) -> Float[Tensor, ""]:
        """Return what fitting makes small on drawn latents."""

    def finish(self) -> None:
        """Declare the network fitted: from now on it draws the latents."""
        self.fitted.fill_(True)

    def sample(self, prediction: Prediction, generator: Source) -> Float[Tensor, "B D"]:
        """Draw a perturbed latent for each control cell; raise `NonFiniteScore`."""
        if not bool(self.fitted):
            return self.base.sample(prediction, generator)
        assert isinstance(generator, Generator)  # no batch is shared once a head is fitted
        return self.frame.latent(prediction, self.residuals(prediction, generator).latent)

    @abstractmethod
    def residuals(self, prediction: Prediction, generator: Generator) -> Drawn:
        """Draw residuals r = (z − mean) / scale, and count the evaluations of the network."""
