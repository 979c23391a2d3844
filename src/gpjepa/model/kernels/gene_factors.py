"""What the changes of a gene's rates are multiplied by, so that its sum over cells is as wanted.

Numba; B cells, G genes in T tiles, single precision. The genes of a tile stay in the cache while
Newton's method goes over all cells. Counts above zero are rows in CSR form: `starts` [B + 1],
`genes` [N] in order and `counts` [N].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.gain_rows import begun, gained
from gpjepa.model.kernels.rate_tiles import TILE, changes

FLOAT = np.float32
ZERO, ONE = FLOAT(0.0), FLOAT(1.0)
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def places(starts, genes, stops):
    """Write where the counts of each tile begin in each cell, `stops` [T + 1, B]."""
    last = stops.shape[0] - 1
    for row in range(starts.shape[0] - 1):
        tile = 0
        for i in range(starts[row], starts[row + 1]):
            while TILE * tile <= genes[i]:
                stops[tile, row] = i
                tile += 1
        while tile <= last:
            stops[tile, row] = starts[row + 1]
            tile += 1


@njit(**OPTIONS)
def _spread(csr, tile, shown, total):
    """Write the counts of a tile's genes to `shown` [B, TILE] and add them up."""
    genes, counts, stops = csr
    shown[:] = ZERO
    for row in range(shown.shape[0]):
        for i in range(stops[tile, row], stops[tile + 1, row]):
            k = genes[i] - TILE * tile
            shown[row, k] = counts[i]
            total[k] += counts[i]


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


@njit(fastmath=True, **OPTIONS)
def _gain_of_silent(ratio, low, shown, factor, row):
    """Return what a cell's genes without a count gain, (r − 1) E[λ | 0] where r is above 1."""
    gain = ZERO
    for k in range(TILE):
        more = max(ratio[row, k] * factor[k] - ONE, ZERO) * low[row, k]
        gain += more if shown[row, k] == ZERO else ZERO
    return gain


@njit(**OPTIONS)
def _told(csr, tile, read, factor, gain, by, rate):
    """Write what the draws read: gains of genes without counts, and the rates of the others."""
    (genes, _, stops), (ratio, low, shown) = csr, read
    for row in range(shown.shape[0]):
        gain[row] = _gain_of_silent(ratio, low, shown, factor, row)
        for i in range(stops[tile, row], stops[tile + 1, row]):
            k = genes[i] - TILE * tile
            by[i], rate[i] = ratio[row, k] * factor[k], low[row, k]


@njit(**OPTIONS)
def balance(
    genes, counts, stops, tables, dispersion, seeds, first, last, prior, rounds, close,
    factor, by, rate,
):  # fmt: skip
    """Write the `factor` [T · TILE] of tiles `first` to `last`; return what silent genes gain.

    `tables` are what `rate_tiles.changes` reads. Of a rate that changes by r, the factor in it, x
    counts become x r where it falls, x + (r − 1) E[λ | x] where it rises; their sum is to be that
    of the rates after. `prior` counts are added on both sides; at most so many `rounds`, until no
    factor of a tile changes by more than `close` of it.

    `by` and `rate` [N] become what the rate of each count changes by, the factor in it, and its
    E[λ | 0]. Genes without a count gain what is drawn: cells, genes and counts. Cells are seeded
    by `seeds` [B], and draw the same as long as tiles begin at the same `first`.
    """
    rows, csr = stops.shape[1], (genes, counts, stops)
    ratio, low = np.empty((rows, TILE), FLOAT), np.empty((rows, TILE), FLOAT)
    shown, inverse = np.empty((rows, TILE), FLOAT), np.zeros(TILE, FLOAT)
    gain, states, ahead = np.empty(rows, FLOAT), np.empty(rows, np.uint64), np.empty(rows)
    begun(seeds, first + 1, states, ahead)
    found, at = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int32)), 0
    for tile in range(first, last):
        start = TILE * tile
        theta = dispersion[start : start + TILE]
        inverse[:] = ZERO
        inverse[: theta.shape[0]] = ONE / theta
        wanted, total = np.zeros(TILE, FLOAT), np.zeros(TILE, FLOAT)
        changes(tables, tile, theta, ratio, low, wanted)
        _spread(csr, tile, shown, total)
        own, given = factor[start : start + TILE], (wanted, total, prior, close)
        _balanced(ratio, low, shown, inverse, given, rounds, own)
        read = (ratio, low, shown)
        _told(csr, tile, read, own, gain, by, rate)
        found, at = gained(read, own, theta, start, gain, states, ahead, found, at)
    return found[0][:at], found[1][:at], found[2][:at]
