"""What measured counts become when their rates change, cell by cell; numba.

Rows are cells, [B, G]; counts above zero are given in CSR form: `starts` [B + 1], `genes` [N] in
order and `counts` [N]. A gain is NB, which is a Poisson process of rate h = θ log(1 + m/θ) for
mean m whose events each bring a number of the logarithmic series (Quenouille 1949); a count is
kept with probability r if it is hit by none of the events of a process of rate −log r. The
processes of all genes are gone along by exponential gaps, so that nothing is drawn where nothing
happens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.draws import logarithmic, negative_binomial, thinned, uniform, waiting
from gpjepa.model.kernels.maths import log1p_of
from gpjepa.model.kernels.rate_tiles import LEAST as LEAST_RATE
from gpjepa.model.kernels.rate_tiles import TILE, rates

FLOAT, WORD = np.float32, np.uint64
LEAST = FLOAT(1e-30)
MUCH = FLOAT(4.0)  # expected events from which a count is drawn by itself
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _rates(count, theta, by, low, gain, odds, size, rate):
    """Write of each count what it is expected to gain, the rate of its process, what events bring.

    Where it rises, NB of dispersion `size` and mean `size` · `odds`; else 1/(1 + `odds`) is the
    probability to keep each.
    """
    for i in range(count.shape[0]):
        rises = by[i] > FLOAT(1.0)
        gain[i] = max(by[i] - FLOAT(1.0), FLOAT(0.0)) * low[i]
        fall = max(FLOAT(1.0) - by[i], FLOAT(0.0)) / max(by[i], LEAST)
        odds[i] = gain[i] / theta[i] if rises else fall
        size[i] = count[i] + (theta[i] if rises else FLOAT(0.0))
    for i in range(count.shape[0]):
        rate[i] = size[i] * log1p_of(odds[i])


@njit(**OPTIONS)
def _at_once(state, count, gain, odds, size):
    """Draw what a count becomes whose rate changes much."""
    if gain > FLOAT(0.0):
        state, more = negative_binomial(state, float(size), float(size) * float(odds))
        return state, int(count) + more
    return thinned(state, int(count), 1.0 / (1.0 + float(odds)))


@njit(**OPTIONS)
def _kept(state, count, gain, odds, size, rate, kept):
    """Write what the counts become; return the state."""
    state, ahead = waiting(state)
    for i in range(count.shape[0]):
        kept[i] = int(count[i])
        if rate[i] > MUCH:
            state, kept[i] = _at_once(state, count[i], gain[i], odds[i], size[i])
            continue
        while ahead < rate[i]:
            if gain[i] > FLOAT(0.0):
                state, more = logarithmic(state, odds[i] / (1.0 + odds[i]))
                kept[i] += more
            else:
                state, chance = uniform(state)
                kept[i] -= chance * count[i] < kept[i]
            state, gap = waiting(state)
            ahead += gap
        ahead -= rate[i]
    return state


@njit(**OPTIONS)
def _event(state, mean, size):
    """Draw what an event of rate `mean` ≥ h brings, which may be nothing."""
    odds = mean / size
    state, chance = uniform(state)
    if chance * odds >= math.log1p(odds):
        return state, 0
    return logarithmic(state, odds / (1.0 + odds))


@njit(**OPTIONS)
def _gains(before, after, width, dispersion, factor, start, own, i, mean):
    """Write the expected gains of a tile's genes; return how far `own` genes were gone along.

    Those with a count, from the one at `i` on, gain nothing here.
    """
    for k in range(width):
        below, theta = max(before[k], LEAST_RATE), dispersion[start + k]
        more = max(after[k] / below * factor[start + k] - FLOAT(1.0), FLOAT(0.0))
        mean[k] = more * (below * theta / (theta + below))
    while i < own.shape[0] and own[i] < start:
        i += 1
    while i < own.shape[0] and own[i] < start + width:
        mean[own[i] - start] = FLOAT(0.0)
        i += 1
    return i


@njit(**OPTIONS)
def _large(state, mean, dispersion, first, genes, values, at):
    """Append gains of the genes of great rates, each by itself, and take their rates away."""
    for k in range(mean.shape[0]):
        if mean[k] > MUCH:
            state, number = negative_binomial(state, float(dispersion[first + k]), float(mean[k]))
            mean[k] = FLOAT(0.0)
            if number:
                genes[at], values[at] = first + k, number
                at += 1
    return state, at


@njit(**OPTIONS)
def _ordered(genes, values, start, stop):
    """Put few entries in the order of their genes."""
    for i in range(start + 1, stop):
        gene, value, j = genes[i], values[i], i
        while j > start and genes[j - 1] > gene:
            genes[j], values[j] = genes[j - 1], values[j - 1]
            j -= 1
        genes[j], values[j] = gene, value


@njit(**OPTIONS)
def _gained(state, tables, row, own, dispersion, factor, gain, genes, values):
    """Write what is gained where there is no count, in order; return the state and how many."""
    at, seen = 0, 0
    mean, before, after = np.zeros(TILE, FLOAT), np.empty(TILE, FLOAT), np.empty(TILE, FLOAT)
    state, ahead = waiting(state)
    for tile in range(gain.shape[0]):
        whole = float(gain[tile, row])
        if ahead >= whole and whole <= MUCH:
            ahead -= whole
            continue
        first, k, begin = TILE * tile, 0, at
        width = min(TILE, dispersion.shape[0] - first)
        mean[width:] = FLOAT(0.0)
        rates(tables, row, tile, dispersion.shape[0], before, after)
        seen = _gains(before, after, width, dispersion, factor, first, own, seen, mean)
        if whole > MUCH:
            state, at = _large(state, mean, dispersion, first, genes, values, at)
            whole = 0.0
            for i in range(TILE):
                whole += mean[i]
        large, passed = at, 0.0
        while ahead < whole:
            while k < TILE and passed + mean[k] <= ahead:
                passed += mean[k]
                k += 1
            if k == TILE:  # rounding: the sum is a little less
                break
            state, number = _event(state, float(mean[k]), float(dispersion[first + k]))
            if number and at > large and genes[at - 1] == first + k:
                values[at - 1] += number
            elif number:
                genes[at], values[at] = first + k, number
                at += 1
            state, gap = waiting(state)
            ahead += gap
        ahead = max(ahead - whole, 0.0)
        if large > begin:
            _ordered(genes, values, begin, at)
    return state, at


@njit(**OPTIONS)
def _merged(own, kept, genes, values, number, to_genes, to_values, at):
    """Write the kept counts of `own` genes and the gained ones in order; return where they end."""
    i = 0
    for j in range(own.shape[0]):
        while i < number and genes[i] < own[j]:
            to_genes[at], to_values[at] = genes[i], values[i]
            i += 1
            at += 1
        if kept[j]:
            to_genes[at], to_values[at] = own[j], kept[j]
            at += 1
    while i < number:
        to_genes[at], to_values[at] = genes[i], values[i]
        i += 1
        at += 1
    return at


@njit(**OPTIONS)
def _with_room(array, used, more):
    """Return the array with room for `more` entries beyond those used."""
    if used + more <= array.shape[0]:
        return array
    larger = np.empty(2 * used + 4 * more, array.dtype)
    larger[:used] = array[:used]
    return larger


@njit(**OPTIONS)
def changed(
    starts, genes, counts, tables, dispersion, factor, gain, by, rate, seeds, first, last, number
):
    """Return genes and counts of cells `first` to `last` once their rates have changed.

    `tables` are what `rate_tiles.rates` makes rates of; `factor` [G], `gain` [T, B], `by` and
    `rate` [N] are what `balance` writes of them. A rate that falls keeps each count with the ratio
    as probability, one that rises gains what a Gamma of shape x + θ says. Cells are seeded by
    `seeds` [B]; `number` [B] is how many each has.
    """
    width = dispersion.shape[0]
    space, kept = np.empty((5, width), FLOAT), np.empty(width, np.int32)
    found, values = np.empty(width, np.int32), np.empty(width, np.int32)
    theta, more, odds, size, speed = space[0], space[1], space[2], space[3], space[4]
    to_genes, to_values, at = np.empty(0, np.int32), np.empty(0, np.int32), 0
    for row in range(first, last):
        to_genes, to_values = _with_room(to_genes, at, width), _with_room(to_values, at, width)
        begin, stop = starts[row], starts[row + 1]
        own, count = genes[begin:stop], counts[begin:stop]
        for i in range(own.shape[0]):
            theta[i] = dispersion[own[i]]
        _rates(count, theta, by[begin:stop], rate[begin:stop], more, odds, size, speed)
        state = _kept(WORD(seeds[row]), count, more, odds, size, speed, kept)
        state, gained = _gained(state, tables, row, own, dispersion, factor, gain, found, values)
        end = _merged(own, kept, found, values, gained, to_genes, to_values, at)
        number[row], at = end - at, end
    return to_genes[:at], to_values[:at]
