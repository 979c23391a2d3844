"""What the changes of a gene's rates are multiplied by, so that its sum over cells is as wanted.

Numba; B cells, G genes in T tiles, single precision. The genes of a tile stay in the cache while
Newton's method goes over all cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.gain_rows import begun, gained
from gpjepa.model.kernels.rate_tiles import LAST, TILE, compared, rates_of

FLOAT = np.float32
ZERO, ONE = FLOAT(0.0), FLOAT(1.0)
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _spread(entries, shown, total):
    """Write a tile's counts to `shown` [B, TILE] and add them up."""
    flat, total[:] = shown.reshape(-1), ZERO
    shown[:] = ZERO
    for i in range(entries.shape[0]):
        at, count = entries[i, 0], np.uint32(entries[i, 2]).view(FLOAT)
        flat[at] = count
        total[at & LAST] += count


@njit(**OPTIONS)
def _slopes(ratio, low, shown, inverse, factor, slope, steepness):
    """Add what rates change by: E[λ | x] where they rise, x where they fall."""
    for row in range(ratio.shape[0]):
        for k in range(TILE):
            own, x = ratio[row, k], shown[row, k]
            expected = low[row, k] * (ONE + x * inverse[k])
            share = expected if own * factor[k] >= ONE else x
            slope[k] += share
            steepness[k] += share * own


@njit(**OPTIONS)
def _balanced(ratio, low, shown, inverse, given, rounds, factor):
    """Do the rounds of Newton's method for the genes of a tile."""
    wanted, total, prior, close = given
    slope, steepness = np.empty(TILE, FLOAT), np.empty(TILE, FLOAT)
    factor[:] = ONE
    for _ in range(rounds):
        slope[:] = ZERO
        steepness[:] = prior
        _slopes(ratio, low, shown, inverse, factor, slope, steepness)
        settled = True
        for k in range(TILE):
            now = factor[k]
            expected = now * steepness[k] + total[k] - slope[k]
            moved = now + (wanted[k] + prior - expected) / steepness[k]
            factor[k] = min(max(moved, FLOAT(0.1) * now), FLOAT(10.0) * now)
            settled &= abs(factor[k] - now) <= close * now
        if settled:
            break


@njit(**OPTIONS)
def _told(entries, ratio, low, factor, by, rate):
    """Write what the rates of counts change by, and these; leave no rate there."""
    ratios, lows = ratio.reshape(-1), low.reshape(-1)
    for i in range(entries.shape[0]):
        at, to = entries[i, 0], entries[i, 1]
        by[to], rate[to] = ratios[at] * factor[at & LAST], lows[at]
        lows[at] = ZERO


@njit(fastmath=True, **OPTIONS)
def _gains(ratio, low, factor, gain):
    """Write what each cell's genes gain, (r − 1) E[λ | 0] where r is above 1."""
    for row in range(ratio.shape[0]):
        whole = ZERO
        for k in range(TILE):
            whole += max(ratio[row, k] * factor[k] - ONE, ZERO) * low[row, k]
        gain[row] = whole


@njit(**OPTIONS)
def balance(
    counts, before, after, table, dispersion, seeds, first, last, prior, rounds, close,
    factor, by, rate,
):  # fmt: skip
    """Write the `factor` [L, T · TILE] of tiles `first` to `last`; return what silent genes gain.

    `counts` are what `tile_counts.by_tile` writes; they change from the rates `before` to L others,
    `after`, as `rate_tiles.rates_of` reads them with `table`. Of a rate that changes by r, the
    factor in it, x counts become x r where it falls, x + (r − 1) E[λ | x] where it rises; their sum
    is to be that of the rates after. `prior` counts are added on both sides; at most so many
    `rounds`, until no factor of a tile changes by more than `close` of it.

    `by` [L, N] becomes what the rate of each count changes by, the factor in it, `rate` [N] its
    E[λ | 0]. Genes without a count gain what is drawn: cells, those of each of the L after those of
    the one before, genes and counts. Cells are seeded by `seeds` [L, B], and draw the same as long
    as tiles begin at the same `first`.
    """
    (stops, entries), (several, rows), genes = counts, seeds.shape, dispersion.shape[0]
    mean, shown = np.empty((rows, TILE), FLOAT), np.empty((rows, TILE), FLOAT)
    ratio, low = np.empty((rows, TILE), FLOAT), np.empty((rows, TILE), FLOAT)
    theta, inverse = np.zeros(TILE, FLOAT), np.zeros(TILE, FLOAT)
    wanted, total, gain = np.empty(TILE, FLOAT), np.empty(TILE, FLOAT), np.empty(rows, FLOAT)
    states, ahead = np.empty((several, rows), np.uint64), np.empty((several, rows))
    for i in range(several):
        begun(seeds[i], first + 1, states[i], ahead[i])
    found, at = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int32)), 0
    for tile in range(first, last):
        here, gene = entries[stops[tile] : stops[tile + 1]], TILE * tile
        size = min(TILE, genes - gene)
        theta[:size] = dispersion[gene : gene + size]
        inverse[:size] = ONE / theta[:size]
        theta[size:], inverse[size:] = ZERO, ZERO
        rates_of(before, 0, table, tile, mean)
        _spread(here, shown, total)
        for i in range(several):
            own, drawn = factor[i, gene : gene + TILE], (states[i], ahead[i])
            rates_of(after, i, table, tile, ratio)
            compared(mean, size, theta, ratio, low, wanted)
            _balanced(ratio, low, shown, inverse, (wanted, total, prior, close), rounds, own)
            _told(here, ratio, low, own, by[i], rate)
            _gains(ratio, low, own, gain)
            read = (ratio, low)
            found, at = gained(read, own, theta, gene, gain, *drawn, rows * i, found, at)
    return found[0][:at], found[1][:at], found[2][:at]
