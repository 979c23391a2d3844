"""Bootstrap intervals over perturbations, which are the units of every claim."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpjepa.core.random import numpy_stream

FEWEST = 3  # perturbations that a statistic of any kind is resampled over
DRAWS = 500  # resamples for a statistic of any kind
TAIL = 0.025


def bootstrap_mean(
    values: np.ndarray, seed: int, draws: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of the mean of `values` [P], resampled over P.

    NaN for fewer than two values: one perturbation says nothing about the next.
    """
    low, high = bootstrap_means(np.asarray(values, dtype=np.float64)[None], seed, draws, level)
    return float(low[0]), float(high[0])


def bootstrap_means(
    values: np.ndarray, seed: int, draws: int = 2000, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the intervals of the row means of `values` [M, P], all on the same resamples.

    Rows that share their resamples can be compared; differences of columns should be taken
    before the call, so that the comparison stays paired. A row with an infinite value has it as
    both ends.
    """
    values = np.asarray(values, dtype=np.float64)
    rows, count = values.shape
    if count < 2:
        return np.full(rows, np.nan), np.full(rows, np.nan)
    rng = numpy_stream(seed, "bootstrap", count, draws)
    weights = rng.multinomial(count, np.full(count, 1.0 / count), size=draws) / count
    low = values.sum(axis=1)  # not finite: the mean is the interval
    high = low.copy()
    finite = np.isfinite(values).all(axis=1)
    tail = (1.0 - level) / 2.0
    means = values[finite] @ weights.T
    low[finite], high[finite] = np.quantile(means, [tail, 1.0 - tail], axis=1)
    return low, high


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float], count: int, seed: int
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic of rows drawn from `count` with repeats.

    NaN for fewer than `FEWEST` rows. Draws on which the statistic is not defined are left out.
    """
    if count < FEWEST:
        return float("nan"), float("nan")
    rng = numpy_stream(seed, "bootstrap of a statistic", count)
    values = np.array([statistic(rows) for rows in rng.integers(0, count, size=(DRAWS, count))])
    values = values[~np.isnan(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [TAIL, 1.0 - TAIL], method="nearest")
    return float(low), float(high)
