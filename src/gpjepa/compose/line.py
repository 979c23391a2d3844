"""A line through few perturbations: traits, and how unusual each member is, against one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.model.error_bars import FARTHEST

PULL = 10.0  # a trait's slope towards 0: its variance beforehand is 1 / PULL of the noise's
MEMBERS = 0.2  # variance of what a member adds, of the noise's, beforehand
FREE = 10.0  # the first trait is pulled so many times less


@dataclass(frozen=True, eq=False)
class Line:
    """level + slopes · standardised traits + what each member adds, `restless` [V]."""

    level: float
    slopes: np.ndarray  # [T]
    centre: np.ndarray  # [T]
    width: np.ndarray  # [T]
    restless: np.ndarray  # [V]

    def at(self, traits: np.ndarray, members: np.ndarray) -> np.ndarray:
        """Return the value [N] at traits [N, T] and members [N, V], 1 where a gene is in a set."""
        known = members[:, : len(self.restless)] @ self.restless
        return self.level + _standard(traits, self.centre, self.width) @ self.slopes + known


def fit_line(
    traits: np.ndarray, members: np.ndarray, values: np.ndarray
) -> tuple[Line, np.ndarray]:
    """Return the line through `values` [N], and the value of each row predicted without it.

    Ridge regression with a random effect of every member, so that few rows move little away from
    their mean. The noise variance is 1 in the unit of what is known beforehand.

    Source: Rasmussen and Williams 2006, eq. 5.12, for the left-out values.
    """
    centre, width = traits.mean(axis=0), traits.std(axis=0) + 1e-9
    shown = _standard(traits, centre, width)
    variance = np.full(traits.shape[1], 1 / PULL)
    variance[:1] *= FREE
    mean = values.mean()
    covariance = 1.0 + (shown * variance) @ shown.T + MEMBERS * members @ members.T
    precision = np.linalg.inv(covariance + np.eye(len(values)))
    weights = precision @ (values - mean)
    left_out = values - weights / np.diagonal(precision)
    slopes = variance * (shown.T @ weights)
    level = float(mean + weights.sum())
    return Line(level, slopes, centre, width, MEMBERS * members.T @ weights), left_out


def _standard(traits: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    return np.clip((traits - centre) / width, -FARTHEST, FARTHEST)
