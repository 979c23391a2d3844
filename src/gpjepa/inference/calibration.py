"""What the validation perturbations say about how far to trust predicted effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpjepa.core.errors import ConfigError

GRID = tuple(round(0.01 * step, 2) for step in range(1, 100))  # levels whose widths are kept
FEWEST = 8  # validation perturbations below which intervals are marked uncalibrated


@dataclass(frozen=True)
class Calibration:
    """Half-widths of the effect intervals by level, and which kinds of prediction to believe.

    `half_widths` are quantiles of |observed − predicted| over validation perturbations and gated
    genes, in log1p pseudobulk units, one per level of `GRID`. `supports_interactions`: on
    validation combinations with measured members the model beats the sum of singles.
    `supports_novel`: on perturbations never measured it beats no change.
    """

    half_widths: tuple[float, ...]
    perturbations: int
    supports_interactions: bool
    supports_novel: bool

    @property
    def calibrated(self) -> bool:
        """Say whether enough validation perturbations stand behind the widths."""
        return self.perturbations >= FEWEST

    def half_width(self, level: float) -> float:
        """Return the half-width of the interval at `level`; raise `ConfigError` outside (0, 1)."""
        if not 0.0 < level < 1.0:
            raise ConfigError(
                f"level is {level}; expected a number between 0 and 1, both left out; "
                "pass for example 0.9"
            )
        return float(np.interp(level, GRID, self.half_widths))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return {
            "half_widths": list(self.half_widths),
            "perturbations": self.perturbations,
            "supports_interactions": self.supports_interactions,
            "supports_novel": self.supports_novel,
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Calibration:
        """Rebuild from `to_json`; raise `ValueError` unless there is a width for each level."""
        widths = tuple(float(width) for width in document["half_widths"])
        if len(widths) != len(GRID):
            raise ValueError(f"{len(widths)} half_widths, expected {len(GRID)}")
        return Calibration(
            widths,
            int(document["perturbations"]),
            bool(document["supports_interactions"]),
            bool(document["supports_novel"]),
        )


def half_widths(residual: np.ndarray) -> tuple[float, ...]:
    """Return the quantiles of |residual| at the levels of `GRID`."""
    return tuple(float(width) for width in np.quantile(np.abs(residual), GRID))
