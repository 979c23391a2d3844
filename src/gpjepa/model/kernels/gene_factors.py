"""What the changes of a gene's rates are multiplied by, so that its sum over cells is as wanted.

Newton's method, some genes at a time for all cells while they lie in the cache; numba. B cells, G
genes, single precision. Counts above zero are rows in CSR form: `starts` [B + 1], `genes` [N] in
order and `counts` [N].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

FLOAT = np.float32
LEAST = FLOAT(1e-30)
TOGETHER = 128  # genes whose sums are made at once
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _expected(before, after, dispersion, first, low, high, wanted):
    """Write of each cell E[λ | 0] = μ θ/(θ + μ) and what it becomes; add up the means after."""
    for row in range(before.shape[0]):
        for g in range(dispersion.shape[0]):
            mean, ahead, theta = before[row, first + g], after[row, first + g], dispersion[g]
            share = theta / (theta + mean)
            low[row, g] = mean * share
            high[row, g] = ahead * share
            wanted[g] += ahead


@njit(**OPTIONS)
def _of_zeros(low, high, factor, slope, steepness):
    """Add what cells without counts gain where their rates rise."""
    for row in range(low.shape[0]):
        for g in range(factor.shape[0]):
            rises = high[row, g] * factor[g] > low[row, g]
            slope[g] += low[row, g] if rises else FLOAT(0.0)
            steepness[g] += high[row, g] if rises else FLOAT(0.0)


@njit(**OPTIONS)
def _taken(csr, low, high, dispersion, first, where, entry, total):
    """Gather of some genes' counts what they add, in E[λ | 0]; return how many they are.

    `where` [B] is how far each cell's counts have been gone along.
    """
    (starts, genes, counts), (gene, rising, falling, lows, highs) = csr, entry
    at, stop = 0, first + dispersion.shape[0]
    for row in range(low.shape[0]):
        i, end = where[row], starts[row + 1]
        while i < end and genes[i] < stop:
            g = genes[i] - first
            lows[at], highs[at] = max(low[row, g], LEAST), high[row, g]
            gene[at] = g
            rising[at], falling[at] = counts[i] / dispersion[g], counts[i] / lows[at]
            total[g] += counts[i]
            at += 1
            i += 1
        where[row] = i
    return at


@njit(**OPTIONS)
def _of_counts(entry, number, factor, slope, steepness):
    """Add what counts above zero change: themselves where their rate falls."""
    gene, rising, falling, low, high = entry
    for i in range(number):
        g, b, a = gene[i], low[i], high[i]
        if_rises, if_falls = rising[i], falling[i]
        share = if_rises if a * factor[g] > b else if_falls
        slope[g] += share * b
        steepness[g] += share * a


@njit(**OPTIONS)
def balance(
    before, after, dispersion, starts, genes, counts, first, last, prior, rounds, close, factor
):
    """Write the `factor` [G] of the genes `first` to `last`.

    The ratio of `after` [B, G] to `before`, times the factor, is what a rate changes by: x counts
    become x r where it falls by r, x + (r − 1) E[λ | x] where it rises. `prior` counts are added
    on both sides; at most so many `rounds`, until no factor of `TOGETHER` genes changes by more
    than `close` of it.
    """
    rows = before.shape[0]
    low, high = np.empty((rows, TOGETHER), FLOAT), np.empty((rows, TOGETHER), FLOAT)
    where, most = np.empty(rows, np.int64), 0
    for row in range(rows):
        own = genes[starts[row] : starts[row + 1]]
        where[row] = starts[row] + np.searchsorted(own, first)
        most += starts[row] + np.searchsorted(own, last) - where[row]
    space = np.empty((4, most), FLOAT)
    entry = (np.empty(most, np.int32), space[0], space[1], space[2], space[3])
    for start in range(first, last, TOGETHER):
        stop = min(start + TOGETHER, last)
        wanted, total = np.zeros(stop - start, FLOAT), np.zeros(stop - start, FLOAT)
        theta = dispersion[start:stop]
        _expected(before, after, theta, start, low, high, wanted)
        csr = (starts, genes, counts)
        number = _taken(csr, low, high, theta, start, where, entry, total)
        given, own = (wanted, total, prior, close), factor[start:stop]
        _balanced(low, high, entry, number, given, rounds, own)


@njit(**OPTIONS)
def _balanced(low, high, entry, number, given, rounds, factor):
    """Do the rounds of Newton's method for genes that lie in the cache together."""
    wanted, total, prior, close = given
    slope, steepness = np.empty_like(factor), np.empty_like(factor)
    factor[:] = FLOAT(1.0)
    for _ in range(rounds):
        slope[:] = FLOAT(0.0)
        steepness[:] = prior
        _of_zeros(low, high, factor, slope, steepness)
        _of_counts(entry, number, factor, slope, steepness)
        settled = True
        for g in range(factor.shape[0]):
            now = factor[g]
            expected = now * steepness[g] + total[g] - slope[g]
            moved = now + (wanted[g] + prior - expected) / steepness[g]
            factor[g] = min(max(moved, FLOAT(0.1) * now), FLOAT(10.0) * now)
            settled &= abs(factor[g] - now) <= close * now
        if settled:
            break
