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

FLOAT, WORD = np.float32, np.uint64
LEAST = FLOAT(1e-30)
STRETCH = 32  # genes whose rates are summed
MUCH = FLOAT(4.0)  # expected events of a gene from which its count is drawn by itself
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _gains(before, after, dispersion, factor, mean):
    """Write the expected gain of each gene as if it had no count, (r − 1) E[λ | 0] above zero."""
    for g in range(dispersion.shape[0]):
        more = max(after[g] * factor[g] - before[g], FLOAT(0.0))
        mean[g] = more * dispersion[g] / (dispersion[g] + before[g])


@njit(fastmath=True, **OPTIONS)
def _sums(mean, total):
    """Sum the means of each stretch, a row."""
    for stretch in range(mean.shape[0]):
        here = FLOAT(0.0)
        for g in range(STRETCH):
            here += mean[stretch, g]
        total[stretch] = here


@njit(**OPTIONS)
def _take(own, before, after, dispersion, factor, mean, low, high, theta, gain):
    """Gather what belongs to the genes with counts, and take them from the others."""
    for i in range(own.shape[0]):
        g = own[i]
        low[i], high[i], theta[i] = before[g], after[g] * factor[g], dispersion[g]
        gain[i] = mean[g]
        mean[g] = FLOAT(0.0)


@njit(**OPTIONS)
def _rates(count, low, high, theta, gain, odds, size, rate):
    """Write of each count the rate of its process, and what its events bring.

    Where it rises, NB of dispersion `size` and mean `size` · `odds`; else 1/(1 + `odds`) is the
    probability to keep each.
    """
    for i in range(count.shape[0]):
        rises = gain[i] > FLOAT(0.0)
        fall = max(low[i] - high[i], FLOAT(0.0)) / max(high[i], LEAST)
        odds[i] = gain[i] / theta[i] if rises else fall
        size[i] = count[i] + (theta[i] if rises else FLOAT(0.0))
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
def _large(state, mean, dispersion, first, genes, values, at):
    """Append gains of the genes of great rates, each by itself, and take their rates away."""
    for g in range(first, min(first + STRETCH, dispersion.shape[0])):
        if mean[g] > MUCH:
            state, number = negative_binomial(state, float(dispersion[g]), float(mean[g]))
            mean[g] = FLOAT(0.0)
            if number:
                genes[at], values[at] = g, number
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
def _gained(state, mean, total, dispersion, genes, values):
    """Write what is gained where there is no count, in order; return the state and how many."""
    at = 0
    state, ahead = waiting(state)
    for stretch in range(total.shape[0]):
        g, start, whole = STRETCH * stretch, at, float(total[stretch])
        stop = min(g + STRETCH, dispersion.shape[0])
        if whole > MUCH:
            state, at = _large(state, mean, dispersion, g, genes, values, at)
            whole = 0.0
            for i in range(g, stop):
                whole += mean[i]
        large, passed = at, 0.0
        while ahead < whole:
            while g < stop and passed + mean[g] <= ahead:
                passed += mean[g]
                g += 1
            if g == stop:  # rounding: the sum is a little less
                break
            state, number = _event(state, float(mean[g]), float(dispersion[g]))
            if number and at > large and genes[at - 1] == g:
                values[at - 1] += number
            elif number:
                genes[at], values[at] = g, number
                at += 1
            state, gap = waiting(state)
            ahead += gap
        ahead = max(ahead - whole, 0.0)
        if large > start:
            _ordered(genes, values, start, at)
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
def changed(starts, genes, counts, before, after, dispersion, factor, seeds, first, last, number):
    """Return genes and counts of cells whose rates go from `before` to `after` times `factor` [G].

    A rate that falls keeps each count with the ratio as probability, one that rises gains what a
    Gamma of shape x + θ says. Cells are seeded by `seeds` [B]; `number` [B] is how many each has.
    """
    width = dispersion.shape[0]
    stretches = (width + STRETCH - 1) // STRETCH
    table, total = np.zeros((stretches, STRETCH), FLOAT), np.empty(stretches, FLOAT)
    mean, space = table.reshape(stretches * STRETCH), np.empty((7, width), FLOAT)
    kept, found = np.empty(width, np.int32), np.empty(width, np.int32)
    values = np.empty(width, np.int32)
    to_genes, to_values, at = np.empty(0, np.int32), np.empty(0, np.int32), 0
    for row in range(first, last):
        to_genes, to_values = _with_room(to_genes, at, width), _with_room(to_values, at, width)
        own, count = genes[starts[row] : starts[row + 1]], counts[starts[row] : starts[row + 1]]
        old, new = before[row], after[row]
        _gains(old, new, dispersion, factor, mean)
        low, high, theta, gain = space[0], space[1], space[2], space[3]
        _take(own, old, new, dispersion, factor, mean, low, high, theta, gain)
        odds, size, rate = space[4], space[5], space[6]
        _rates(count, low, high, theta, gain, odds, size, rate)
        state = _kept(WORD(seeds[row]), count, gain, odds, size, rate, kept)
        _sums(table, total)
        state, gained = _gained(state, mean, total, dispersion, found, values)
        end = _merged(own, kept, found, values, gained, to_genes, to_values, at)
        number[row], at = end - at, end
    return to_genes[:at], to_values[:at]
