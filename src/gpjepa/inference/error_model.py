"""How far predicted mean effects may be off: variance components, calibrated tails, quantiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from gpjepa.core.errors import ConfigError

SCALES = tuple(float(2.0**power) for power in range(-6, 7))  # variances that tails are mixed of
COMPONENTS = ("perturbation", "gene", "response", "effect")
BISECTIONS = 60
# Fitted on the true effects of simulated cells, seeds from 100: what is believed before validation
COMPOSED = (0.0044, 0.012, 0.0064, 0.41)  # coefficients for combinations
PLACED = (0.1, 0.7, 0.2, 0.05)  # for genes never perturbed: what left-out singles show
WEIGHTS = (0, 0, 0, 0, 0.003, 0.215, 0.549, 0.162, 0.041, 0.012, 0.005, 0.001, 0.012)
SPREAD = 2.4
NORMAL = (0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class ErrorModel:
    """Errors of mean effects: a scale mixture of normals around the prediction.

    The variance of a gene's error is Σ_c `coefficients`_c · component_c, in squared log1p units,
    times the square of the stratum's `inflation`; `weights` over `SCALES` say how heavy the tails
    are, and `spread` is the mean squared error in units of that variance. `edge` is the root
    mean square predicted effect that divides the two strata; `calibrated` says whether enough
    validation perturbations stand behind the numbers.
    Source: scale mixtures as in Stephens 2017 (adaptive shrinkage).
    """

    coefficients: tuple[float, ...]
    weights: tuple[float, ...]
    spread: float
    edge: float
    inflation: tuple[float, float]
    perturbations: int
    calibrated: bool

    def variance(
        self, components: NDArray[np.float64], size: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the scale [P, G] squared of errors with `components` [C, P, G].

        `size` [P] is the root mean square of each predicted effect over the gated genes.
        """
        inflation = np.where(size > self.edge, self.inflation[1], self.inflation[0])
        total = np.tensordot(np.array(self.coefficients), components, axes=1)
        return np.asarray(inflation[:, None] ** 2 * total)

    def quantile(self, level: float) -> float:
        """Return how many scales wide half the interval at `level` is.

        Raises `ConfigError` for a level outside (0, 1).
        """
        return mixture_quantile(np.array(self.weights), require_level(level))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return {
            "coefficients": dict(zip(COMPONENTS, self.coefficients, strict=True)),
            "weights": list(self.weights),
            "spread": self.spread,
            "edge": self.edge,
            "inflation": list(self.inflation),
            "perturbations": self.perturbations,
            "calibrated": self.calibrated,
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> ErrorModel:
        """Rebuild from `to_json`; raise `ValueError` unless there is a weight for each scale."""
        weights = tuple(float(weight) for weight in document["weights"])
        if len(weights) != len(SCALES):
            raise ValueError(f"{len(weights)} weights, expected {len(SCALES)}")
        low, high = (float(value) for value in document["inflation"])
        return ErrorModel(
            tuple(float(document["coefficients"][name]) for name in COMPONENTS),
            weights,
            float(document["spread"]),
            float(document["edge"]),
            (low, high),
            int(document["perturbations"]),
            bool(document["calibrated"]),
        )

    def uncalibrated(self) -> ErrorModel:
        """Return the same numbers, marked as not calibrated."""
        return replace(self, calibrated=False)


def require_level(level: float) -> float:
    """Return the level of an interval; raise `ConfigError` outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise ConfigError(
            f"level is {level}; expected a number between 0 and 1, both left out; "
            "pass for example 0.9"
        )
    return level


def mixture_quantile(weights: NDArray[np.float64], level: float) -> float:
    """Return q with P(|T| ≤ q) = level for T ~ Σ_k weights_k N(0, SCALES_k)."""
    deviation = np.sqrt(SCALES)
    low, high = 0.0, float(deviation[-1] * ndtri(0.5 + 0.5 * level))
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if np.dot(weights, 2.0 * ndtr(middle / deviation) - 1.0) < level:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def normal() -> ErrorModel:
    """Return normal errors of the scale that is given, for effects that were measured."""
    return ErrorModel((0.0,) * len(COMPONENTS), NORMAL, 1.0, 0.0, (1.0, 1.0), 0, True)


def believed(coefficients: tuple[float, ...] = COMPOSED) -> ErrorModel:
    """Return what is believed of errors where no validation perturbations say otherwise."""
    return ErrorModel(coefficients, WEIGHTS, SPREAD, 0.0, (1.0, 1.0), 0, False)
