"""Bootstrap intervals over perturbations, which are the units of every claim."""

from __future__ import annotations

import numpy as np

from gpjepa.core.random import numpy_stream


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
