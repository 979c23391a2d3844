"""How fast noise enters a latent: the rates of one SDE, the levels of the other.

Time runs from 0, the data without noise, to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from gpjepa.core.errors import ConfigError

Shape = Literal["linear", "cosine", "quadratic"]
SHAPES: tuple[Shape, ...] = ("linear", "cosine", "quadratic")


@runtime_checkable
class RateSchedule(Protocol):
    """The rate β(t) of a variance-preserving SDE, with ᾱ(t) = exp(−∫₀ᵗ β)."""

    def rate(self, time: Tensor) -> Tensor:
        """Return β(t)."""
        ...

    def integral(self, time: Tensor) -> Tensor:
        """Return ∫₀ᵗ β in closed form."""
        ...

    def time(self, integral: Tensor) -> Tensor:
        """Return the time at which ∫₀ᵗ β reaches a value."""
        ...


@runtime_checkable
class LevelSchedule(Protocol):
    """The noise σ(t) of a variance-exploding SDE, from σ(0) = 0 to σ(1) = `highest`."""

    @property
    def highest(self) -> float:
        """Return σ(1), where the reverse process starts."""
        ...

    def level(self, time: Tensor) -> Tensor:
        """Return σ(t)."""
        ...

    def slope(self, time: Tensor) -> Tensor:
        """Return dσ/dt."""
        ...

    def time(self, level: Tensor) -> Tensor:
        """Return the time at which σ(t) reaches a level."""
        ...


def signal(schedule: RateSchedule, time: Tensor) -> Tensor:
    """Return ᾱ(t) = exp(−∫₀ᵗ β), the share of the variance that is still signal."""
    return torch.exp(-schedule.integral(time))


@dataclass(frozen=True)
class LinearRate:
    """β(t) = low + (high − low) t. Source: Ho et al. 2020; Song et al. 2021, appendix C."""

    low: float = 0.1
    high: float = 20.0

    def __post_init__(self) -> None:
        _require_rates(self.low, self.high)

    def rate(self, time: Tensor) -> Tensor:
        """Return β(t)."""
        return self.low + (self.high - self.low) * time

    def integral(self, time: Tensor) -> Tensor:
        """Return low t + (high − low) t² / 2."""
        return self.low * time + 0.5 * (self.high - self.low) * time.square()

    def time(self, integral: Tensor) -> Tensor:
        """Return the positive root of the quadratic equation."""
        root = torch.sqrt(self.low**2 + 2.0 * (self.high - self.low) * integral)
        return 2.0 * integral / (self.low + root)


@dataclass(frozen=True)
class QuadraticRate:
    """β(t) = (a + b t)² with a = √low, a + b = √high; linear in the root, as in latent diffusion.

    Source: Rombach et al. 2022.
    """

    low: float = 0.1
    high: float = 30.0

    def __post_init__(self) -> None:
        _require_rates(self.low, self.high)

    def _line(self) -> tuple[float, float]:
        start = math.sqrt(self.low)
        return start, math.sqrt(self.high) - start

    def rate(self, time: Tensor) -> Tensor:
        """Return β(t)."""
        start, slope = self._line()
        return (start + slope * time).square()

    def integral(self, time: Tensor) -> Tensor:
        """Return a² t + a b t² + b² t³ / 3."""
        start, slope = self._line()
        return start**2 * time + start * slope * time.square() + slope**2 * time.pow(3) / 3.0

    def time(self, integral: Tensor) -> Tensor:
        """Return (∛(a³ + 3 b ∫β) − a) / b."""
        start, slope = self._line()
        return ((start**3 + 3.0 * slope * integral).pow(1.0 / 3.0) - start) / slope


@dataclass(frozen=True)
class CosineRate:
    """ᾱ(t) = cos²θ(t) / cos²θ(0), θ linear in t; so β(t) = 2 θ′ tan θ(t).

    θ(0) = π/2 · offset / (1 + offset), and θ(1) is where ᾱ = `last`, which keeps β finite.
    Source: Nichol and Dhariwal 2021, equation 17.
    """

    offset: float = 0.008
    last: float = 1e-6

    def __post_init__(self) -> None:
        if not (0.0 < self.offset < 1.0 and 0.0 < self.last < 1.0):
            raise ConfigError(
                f"the cosine schedule has offset {self.offset} and last signal {self.last}; "
                "expected both within (0, 1); change them"
            )

    def _angles(self) -> tuple[float, float]:
        start = 0.5 * math.pi * self.offset / (1.0 + self.offset)
        return start, math.acos(math.cos(start) * math.sqrt(self.last)) - start

    def rate(self, time: Tensor) -> Tensor:
        """Return β(t)."""
        start, speed = self._angles()
        return 2.0 * speed * torch.tan(start + speed * time)

    def integral(self, time: Tensor) -> Tensor:
        """Return −2 log(cos θ(t) / cos θ(0))."""
        start, speed = self._angles()
        return -2.0 * torch.log(torch.cos(start + speed * time) / math.cos(start))

    def time(self, integral: Tensor) -> Tensor:
        """Return the time of the angle whose cosine is cos θ(0) exp(−∫β / 2)."""
        start, speed = self._angles()
        return (torch.acos(math.cos(start) * torch.exp(-0.5 * integral)) - start) / speed


@dataclass(frozen=True)
class LinearLevel:
    """σ(t) = highest · t. Source: Karras et al. 2022, table 1, whose time is σ itself."""

    highest: float = 80.0

    def __post_init__(self) -> None:
        _require_level(self.highest)

    def level(self, time: Tensor) -> Tensor:
        """Return σ(t)."""
        return self.highest * time

    def slope(self, time: Tensor) -> Tensor:
        """Return dσ/dt."""
        return torch.full_like(time, self.highest)

    def time(self, level: Tensor) -> Tensor:
        """Return σ / highest."""
        return level / self.highest


@dataclass(frozen=True)
class QuadraticLevel:
    """σ(t) = highest · t²."""

    highest: float = 80.0

    def __post_init__(self) -> None:
        _require_level(self.highest)

    def level(self, time: Tensor) -> Tensor:
        """Return σ(t)."""
        return self.highest * time.square()

    def slope(self, time: Tensor) -> Tensor:
        """Return dσ/dt."""
        return 2.0 * self.highest * time

    def time(self, level: Tensor) -> Tensor:
        """Return √(σ / highest)."""
        return torch.sqrt(level / self.highest)


@dataclass(frozen=True)
class CosineLevel:
    """σ(t) = highest · (1 − cos(π t / 2))."""

    highest: float = 80.0

    def __post_init__(self) -> None:
        _require_level(self.highest)

    def level(self, time: Tensor) -> Tensor:
        """Return σ(t), written as 2 sin²(π t / 4) to keep its digits near 0."""
        return 2.0 * self.highest * torch.sin(0.25 * math.pi * time).square()

    def slope(self, time: Tensor) -> Tensor:
        """Return dσ/dt."""
        return 0.5 * math.pi * self.highest * torch.sin(0.5 * math.pi * time)

    def time(self, level: Tensor) -> Tensor:
        """Return the time of the half angle."""
        return torch.asin(torch.sqrt(0.5 * level / self.highest)) * 4.0 / math.pi


def rate_schedule(shape: Shape) -> RateSchedule:
    """Return the rates of a shape; raise `ConfigError` for an unknown one."""
    match shape:
        case "linear":
            return LinearRate()
        case "cosine":
            return CosineRate()
        case "quadratic":
            return QuadraticRate()
    raise _unknown(shape)


def level_schedule(shape: Shape) -> LevelSchedule:
    """Return the levels of a shape; raise `ConfigError` for an unknown one."""
    match shape:
        case "linear":
            return LinearLevel()
        case "cosine":
            return CosineLevel()
        case "quadratic":
            return QuadraticLevel()
    raise _unknown(shape)


def _unknown(shape: str) -> ConfigError:
    known = ", ".join(SHAPES)
    return ConfigError(f"schedule {shape!r} is not known; expected one of {known}; use one of them")


def _require_rates(low: float, high: float) -> None:
    if not 0.0 < low < high < math.inf:
        raise ConfigError(
            f"the noise rate runs from {low} to {high}; expected 0 < low < high, both finite; "
            "change them"
        )


def _require_level(highest: float) -> None:
    if not 0.0 < highest < math.inf:
        raise ConfigError(
            f"the highest noise level is {highest}; expected a positive finite number; change it"
        )
