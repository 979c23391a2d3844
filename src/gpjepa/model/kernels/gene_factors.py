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
from gpjepa.model.kernels.rate_tiles import LAST, TILE, changes

FLOAT = np.float32
ZERO, ONE = FLOAT(0.0), FLOAT(1.0)
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _spread(entries, shown, total):
    """Write a tile's counts to `shown` [B, TILE] and add them up."""
    flat = shown.reshape(-1)
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
def _told(entries, ratio, low, shown, factor, told):
    """Write what the rates of counts change by, and these; leave no rate and no count there."""
    ratios, lows, flat = ratio.reshape(-1), low.reshape(-1), shown.reshape(-1)
    by, rate = told
    for i in range(entries.shape[0]):
        at, to = entries[i, 0], entries[i, 1]
        by[to], rate[to] = ratios[at] * factor[at & LAST], lows[at]
        lows[at], flat[at] = ZERO, ZERO


@njit(fastmath=True, **OPTIONS)
def _gains(ratio, low, factor, gain):
    """Write what each cell's genes gain, (r − 1) E[λ | 0] where r is above 1."""
    for row in range(ratio.shape[0]):
        whole = ZERO
        for k in range(TILE):
            whole += max(ratio[row, k] * factor[k] - ONE, ZERO) * low[row, k]
        gain[row] = whole


@njit(**OPTIONS)
def balance(counts, rates, dispersion, seeds, first, last, prior, rounds, close, factor, told):
    """Write the `factor` [T · TILE] of tiles `first` to `last`; return what silent genes gain.

    `counts` are what `tile_counts.by_tile` writes, `rates` what `rate_tiles.changes` reads. Of a
    rate that changes by r, the factor in it, x counts become x r where it falls, x + (r − 1)
    E[λ | x] where it rises; their sum is to be that of the rates after. `prior` counts are added on
    both sides; at most so many `rounds`, until no factor of a tile changes by more than `close` of
    it.

    `told` become, for each count [N], what its rate changes by, the factor in it, and its
    E[λ | 0]. Genes without a count gain what is drawn: cells, genes and counts. Cells are seeded by
    `seeds` [B], and draw the same as long as tiles begin at the same `first`.
    """
    (stops, entries), rows, genes = counts, seeds.shape[0], dispersion.shape[0]
    ratio, low = np.empty((rows, TILE), FLOAT), np.empty((rows, TILE), FLOAT)
    shown, gain = np.zeros((rows, TILE), FLOAT), np.empty(rows, FLOAT)
    theta, inverse = np.zeros(TILE, FLOAT), np.zeros(TILE, FLOAT)
    states, ahead = np.empty(rows, np.uint64), np.empty(rows)
    begun(seeds, first + 1, states, ahead)
    found, at = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int32)), 0
    for tile in range(first, last):
        here, gene = entries[stops[tile] : stops[tile + 1]], TILE * tile
        own, size = factor[gene : gene + TILE], min(TILE, genes - gene)
        theta[:size] = dispersion[gene : gene + size]
        inverse[:size] = ONE / theta[:size]
        theta[size:], inverse[size:] = ZERO, ZERO
        wanted, total = np.zeros(TILE, FLOAT), np.zeros(TILE, FLOAT)
        changes(rates, tile, size, theta, ratio, low, wanted)
        _spread(here, shown, total)
        _balanced(ratio, low, shown, inverse, (wanted, total, prior, close), rounds, own)
        _told(here, ratio, low, shown, own, told)
        _gains(ratio, low, own, gain)
        found, at = gained((ratio, low), own, theta, gene, gain, states, ahead, found, at)
    return found[0][:at], found[1][:at], found[2][:at]
