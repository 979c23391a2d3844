"""The two diffusion processes: their SDE, their perturbation kernel and their prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion.schedules import (
    LevelSchedule,
    RateSchedule,
    Shape,
    level_schedule,
    rate_schedule,
)

Process = Literal["vp", "ve"]


@runtime_checkable
class DiffusionProcess(Protocol):
    """dx = f(x, t) dt + g(t) dw, whose kernel is x(t) = s(t) · (x(0) + σ(t) ε).

    Times are [B] or []; the noise level σ is relative to the scaled data.
    """

    @property
    def crowding(self) -> float:
        """Return how strongly steps crowd near the data: their times are even in t^(1/crowding)."""
        ...

    def drift(self, x: Float[Tensor, "B D"], time: Tensor) -> Float[Tensor, "B D"]:
        """Return f(x, t)."""
        ...

    def diffusion(self, time: Tensor) -> Tensor:
        """Return g(t)."""
        ...

    def shrinkage(self, time: Tensor) -> Tensor:
        """Return s(t), the factor of the data in the kernel's mean."""
        ...

    def deviation(self, time: Tensor) -> Tensor:
        """Return the standard deviation s(t) σ(t) of the kernel."""
        ...

    def level(self, time: Tensor) -> Tensor:
        """Return σ(t)."""
        ...

    def time(self, level: Tensor) -> Tensor:
        """Return the time at which σ(t) reaches a level."""
        ...

    def prior(self, rows: int, latent: int, generator: Generator) -> Float[Tensor, "B D"]:
        """Draw x(1), from which the reverse process starts."""
        ...


@dataclass(frozen=True)
class VariancePreserving:
    """dx = −½ β(t) x dt + √β(t) dw; s = √ᾱ, s σ = √(1 − ᾱ), prior N(0, I).

    Source: Song et al. 2021, equation 11.
    """

    schedule: RateSchedule
    crowding: float = 2.0

    def drift(self, x: Float[Tensor, "B D"], time: Tensor) -> Float[Tensor, "B D"]:
        """Return −½ β(t) x."""
        return -0.5 * self.schedule.rate(time).unsqueeze(-1) * x

    def diffusion(self, time: Tensor) -> Tensor:
        """Return √β(t)."""
        return torch.sqrt(self.schedule.rate(time))

    def shrinkage(self, time: Tensor) -> Tensor:
        """Return √ᾱ(t)."""
        return torch.exp(-0.5 * self.schedule.integral(time))

    def deviation(self, time: Tensor) -> Tensor:
        """Return √(1 − ᾱ(t))."""
        return torch.sqrt(-torch.expm1(-self.schedule.integral(time)))

    def level(self, time: Tensor) -> Tensor:
        """Return √((1 − ᾱ) / ᾱ)."""
        return torch.sqrt(torch.expm1(self.schedule.integral(time)))

    def time(self, level: Tensor) -> Tensor:
        """Return the time at which ∫β = log(1 + σ²)."""
        return self.schedule.time(torch.log1p(level.square()))

    def prior(self, rows: int, latent: int, generator: Generator) -> Float[Tensor, "B D"]:
        """Draw from N(0, I)."""
        return _normal(rows, latent, generator)


@dataclass(frozen=True)
class VarianceExploding:
    """dx = √(dσ²/dt) dw; s = 1, prior N(0, σ(1)² I). Source: Song et al. 2021, equation 9."""

    schedule: LevelSchedule
    crowding: float = 7.0

    def drift(self, x: Float[Tensor, "B D"], time: Tensor) -> Float[Tensor, "B D"]:
        """Return zeros: the mean stays where it is."""
        return torch.zeros_like(x)

    def diffusion(self, time: Tensor) -> Tensor:
        """Return √(2 σ σ′)."""
        return torch.sqrt(2.0 * self.schedule.level(time) * self.schedule.slope(time))

    def shrinkage(self, time: Tensor) -> Tensor:
        """Return ones."""
        return torch.ones_like(time)

    def deviation(self, time: Tensor) -> Tensor:
        """Return σ(t)."""
        return self.schedule.level(time)

    def level(self, time: Tensor) -> Tensor:
        """Return σ(t)."""
        return self.schedule.level(time)

    def time(self, level: Tensor) -> Tensor:
        """Return the time at which σ(t) reaches a level."""
        return self.schedule.time(level)

    def prior(self, rows: int, latent: int, generator: Generator) -> Float[Tensor, "B D"]:
        """Draw from N(0, σ(1)² I)."""
        return self.schedule.highest * _normal(rows, latent, generator)


def _normal(rows: int, latent: int, generator: Generator) -> Float[Tensor, "B D"]:
    return torch.randn((rows, latent), generator=generator, device=generator.device)


def diffusion_process(process: Process, shape: Shape) -> DiffusionProcess:
    """Return the process of a name and a schedule; raise `ConfigError` for unknown ones."""
    match process:
        case "vp":
            return VariancePreserving(rate_schedule(shape))
        case "ve":
            return VarianceExploding(level_schedule(shape))
    raise ConfigError(
        f"diffusion process {process!r} is not known; expected vp or ve; use one of them"
    )


def denoised(
    score: Float[Tensor, "B D"], scaled: Float[Tensor, "B D"], level: Tensor
) -> Float[Tensor, "B D"]:
    """Return E[x(0) | x(t)] from the score of the scaled variable y = x(t) / s(t).

    y + σ² ∇ log p(y; σ). Source: Tweedie's formula.
    """
    return scaled + level.square() * score
