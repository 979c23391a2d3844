"""Axes: from values to pixels, with ticks that people can read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gpjepa.report.numbers import MISSING, plain

Kind = Literal["linear", "log", "log1p", "sqrt", "logit"]
LOGIT_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
SQRT_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Scale:
    """A monotone map from values `low..high` to pixels `start..stop`, clipped at both ends."""

    low: float
    high: float
    start: float
    stop: float
    kind: Kind = "linear"

    def __call__(self, values: np.ndarray | float) -> np.ndarray:
        """Return pixels; NaN stays NaN."""
        ends = self._bend(np.array([self.low, self.high]))
        clipped = np.clip(np.asarray(values, dtype=np.float64), self.low, self.high)
        share = (self._bend(clipped) - ends[0]) / (ends[1] - ends[0])
        return self.start + share * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Return about `count` round values inside the axis, each with its label."""
        match self.kind:
            case "linear":
                values = linear_ticks(self.low, self.high, count)
            case "log":
                values = _log_ticks(self.low, self.high, count)
            case "log1p":
                values = [0.0, *(10.0**power for power in range(16))]
            case "sqrt":
                values = list(SQRT_TICKS)
            case "logit":
                values = list(LOGIT_TICKS)
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        inside = [tick for tick in values if self.low - slack <= tick <= self.high + slack]
        if self.kind == "sqrt" and len(inside) < 3:
            inside = linear_ticks(self.low, self.high, 3)
        return [(tick, tick_label(tick, self.kind)) for tick in inside]

    def _bend(self, values: np.ndarray) -> np.ndarray:
        match self.kind:
            case "linear":
                return values
            case "log":
                return np.log10(values)
            case "log1p":
                return np.log1p(values)
            case "sqrt":
                return np.sqrt(values)
            case "logit":
                return np.log(values / (1.0 - values))


def linear_ticks(low: float, high: float, count: int) -> list[float]:
    """Return the multiples of 1, 2 or 5 · 10ⁿ between `low` and `high`, about `count` of them."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * 0.8)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = [round(index * step, 12) for index in range(first, last + 1)]
    return ticks if len(ticks) >= 2 else linear_ticks(low, high, count + 2)


def tick_label(value: float, kind: Kind = "linear") -> str:
    """Write a tick's value shortly; shares of a logit axis are written in percent."""
    if not math.isfinite(value):
        return MISSING
    if kind == "logit":
        return f"{value * 100:g}%"
    tiny_or_huge = value != 0 and not 1e-3 <= abs(value) < 1e5
    return plain(f"{value:.0e}" if tiny_or_huge else f"{value:g}")


def padded(values: np.ndarray, share: float = 0.06) -> tuple[float, float]:
    """Return the range of the finite values with a margin on both sides; never empty."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    margin = share * (high - low) or 0.5 * abs(high) or 0.5
    return low - margin, high + margin


def log_range(values: np.ndarray) -> tuple[float, float]:
    """Return the range of the positive values with a margin in decades; never empty."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known) & (known > 0)]
    if not known.size:
        return 0.1, 1.0
    low, high = padded(np.log10(known))
    return 10.0**low, 10.0**high


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    """Return powers of ten, thinned; finer steps where there is less than a decade."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = [10.0**power for power in range(first, last + 1)]
    inside = [value for value in decades if low <= value <= high]
    if len(inside) >= 2:
        return inside[:: max(1, math.ceil(len(inside) / count))]
    fine = [factor * value for value in decades for factor in (1, 2, 5)]
    fine = [value for value in fine if low <= value <= high]
    return fine if len(fine) >= 2 else linear_ticks(low, high, max(2, count - 1))
