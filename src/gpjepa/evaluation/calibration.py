"""Proper scores of intervals and samples against what was observed."""

from __future__ import annotations

import numpy as np
from scipy import special


def crps_normal(observed: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return the CRPS of normal forecasts, elementwise, in units of the observation.

    σ (ω (2Φ(ω) − 1) + 2φ(ω) − 1/√π) with ω = (y − μ)/σ; |y − μ| where σ = 0.

    Source: Gneiting and Raftery (2007), equation 20 and the text below it.
    """
    observed, mean, sd = np.broadcast_arrays(
        *(np.asarray(part, dtype=np.float64) for part in (observed, mean, sd))
    )
    error = observed - mean
    scale = np.where(sd > 0, sd, 1.0)
    omega = error / scale
    density = np.exp(-0.5 * omega**2) / np.sqrt(2 * np.pi)
    score = scale * (omega * (2 * special.ndtr(omega) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.where(sd == 0, np.abs(error), np.where(sd > 0, score, np.nan))


def crps_ensemble(observed: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return the fair CRPS of ensembles, members on the last axis (at least two).

    E|X − y| − Σ|X − X'| / (2m(m − 1)): unbiased in the size m of the ensemble.

    Source: Ferro (2014), equation 6.
    """
    members = np.sort(np.asarray(members, dtype=np.float64), axis=-1)
    count = members.shape[-1]
    skill = np.abs(members - np.asarray(observed, dtype=np.float64)[..., None]).mean(axis=-1)
    # Σ over ordered pairs of |X − X'| is 2 Σ (2i − m + 1) X_(i) for sorted members.
    weights = 2.0 * (2 * np.arange(count) - count + 1)
    return skill - (members * weights).sum(axis=-1) / (2 * count * (count - 1))


def energy_score(observed: np.ndarray, members: np.ndarray) -> float:
    """Return the fair energy score of members [m, G] against an observation [G].

    E‖X − y‖ − Σ‖X − X'‖ / (2m(m − 1)), with norms and not their squares.

    Source: Gneiting and Raftery (2007), equation 22, with β = 1.
    """
    from scipy.spatial.distance import pdist

    members = np.asarray(members, dtype=np.float64)
    count = len(members)
    skill = np.linalg.norm(members - observed, axis=1).mean()
    return float(skill - pdist(members).sum() / (count * (count - 1)))


def interval_score(
    observed: np.ndarray, low: np.ndarray, high: np.ndarray, level: float
) -> np.ndarray:
    """Return the Winkler score of central intervals of coverage `level`, elementwise.

    (high − low) + 2/α · (low − y)₊ + 2/α · (y − high)₊ with α = 1 − level.

    Source: Gneiting and Raftery (2007), equation 43.
    """
    alpha = 1.0 - level
    below = np.maximum(np.asarray(low) - observed, 0.0)
    above = np.maximum(np.asarray(observed) - high, 0.0)
    return np.asarray(high) - low + 2.0 / alpha * (below + above)


def coverage(observed: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the share of observations inside their intervals; NaN counts as outside."""
    with np.errstate(invalid="ignore"):
        return float(np.mean((observed >= low) & (observed <= high)))


def spread_skill(observed: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> float:
    """Return E[(y − μ)²] / E[σ²]: 1 when calibrated, above when overconfident.

    Infinite when every σ is 0 and some error is not.
    """
    error = float(np.mean(np.square(np.asarray(observed, dtype=np.float64) - mean)))
    spread = float(np.mean(np.square(np.asarray(sd, dtype=np.float64))))
    if spread > 0:
        return error / spread
    return float("inf") if error > 0 else float("nan")
