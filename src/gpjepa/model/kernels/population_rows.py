"""What measured counts become when their rates change, gene by gene; numba.

Rows are cells, [B, G]. Random numbers come from a 64-bit seed of each row, so that they do not
depend on how the rows are shared out among threads. Source of the generator: Steele et al. 2014,
SplitMix64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.maths import exp_below, log1p_of

FLOAT, WORD = np.float32, np.uint64
TINY = FLOAT(1e-8)
STEP, FIRST, SECOND = WORD(0x9E3779B97F4A7C15), WORD(0xBF58476D1CE4E5B9), WORD(0x94D049BB133111EB)
UNIT = 1.0 / 9007199254740992.0  # 2⁻⁵³
MOST = 24.0  # expected counts that are found by going up from 0
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def rates(counts, before, after, dispersion, first, last, ratio, rate):
    """Write by what each rate changes, and E[λ | x] = μ (θ + x)/(θ + μ)."""
    for row in range(first, last):
        for g in range(dispersion.shape[0]):
            mean, theta = before[row, g], dispersion[g]
            ratio[row, g] = after[row, g] / max(mean, TINY)
            rate[row, g] = mean * (theta + counts[row, g]) / (theta + mean)


@njit(**OPTIONS)
def slopes(counts, ratio, rate, limit, first, last, slope, steepness):
    """Sum over cells what a gene is multiplied by, and it times the ratio, for some genes.

    The count where the ratio is below `limit` [G], else the expected rate.
    """
    slope[first:last] = FLOAT(0.0)
    steepness[first:last] = FLOAT(0.0)
    some, all_of = limit[first:last], slope[first:last]
    for row in range(counts.shape[0]):
        read = (counts[row, first:last], ratio[row, first:last], rate[row, first:last])
        _add_slopes(read[0], read[1], read[2], some, all_of, steepness[first:last])


@njit(**OPTIONS)
def _add_slopes(count, ratio, rate, limit, slope, steepness):
    for g in range(limit.shape[0]):
        part = count[g] if ratio[g] < limit[g] else rate[g]
        slope[g] += part
        steepness[g] += part * ratio[g]


@njit(**OPTIONS)
def _next(state):
    """Return the next state and a number in [0, 1)."""
    state = WORD(state + STEP)
    z = WORD((state ^ WORD(state >> WORD(30))) * FIRST)
    z = WORD((z ^ WORD(z >> WORD(27))) * SECOND)
    return state, float(WORD(z ^ WORD(z >> WORD(31))) >> WORD(11)) * UNIT


@njit(**OPTIONS)
def _upward(silent, size, share, chance):
    """Return the count at which NB probabilities sum to `chance`, from `silent` at 0.

    `share` is the probability of one more; the search ends where float64 can add nothing.
    """
    count, term, total = 0, silent, silent
    while total <= chance and (term > 1e-18 or count < 2.0 * MOST):
        term *= share * (size + count) / (count + 1.0)
        count += 1
        total += term
    return count


@njit(**OPTIONS)
def _in_parts(state, size, mean):
    """Draw an NB count of a great mean as the sum of several of small ones."""
    share, parts, total = mean / (mean + size), math.ceil(mean / MOST), 0
    size /= parts
    silent = math.exp(size * math.log1p(-share))
    for _ in range(parts):
        state, chance = _next(state)
        total += _upward(silent, size, share, chance)
    return state, total


@njit(**OPTIONS)
def _thinned(state, count, keep):
    """Draw how many of `count` are kept."""
    kept = 0
    for _ in range(int(count)):
        state, chance = _next(state)
        kept += chance < keep
    return state, kept


@njit(**OPTIONS)
def _silences(counts, ratio, rate, factor, dispersion, more, silent):
    """Write the expected gain of each gene and the probability that there is none."""
    for g in range(dispersion.shape[0]):
        size = counts[g] + dispersion[g]
        mean = max(ratio[g] * factor[g] - FLOAT(1.0), FLOAT(0.0)) * rate[g]
        more[g] = mean
        silent[g] = exp_below(-size * log1p_of(mean / size))


@njit(**OPTIONS)
def changed(counts, ratio, rate, factor, dispersion, seeds, first, last, out):
    """Write the counts of cells whose rates change by `ratio` times `factor` [G].

    A rate that falls keeps each count with that probability, one that rises gains what a Gamma of
    shape x + θ says. Cells are seeded by `seeds` [B].
    """
    genes = dispersion.shape[0]
    more, silent = np.empty(genes, FLOAT), np.empty(genes, FLOAT)
    for row in range(first, last):
        own, to, state = counts[row], out[row], WORD(seeds[row])
        _silences(own, ratio[row], rate[row], factor, dispersion, more, silent)
        for g in range(genes):
            mean, keep, number = float(more[g]), ratio[row, g] * factor[g], 0
            size = float(own[g]) + float(dispersion[g])
            if mean > MOST:
                state, number = _in_parts(state, size, mean)
                to[g] = own[g] + FLOAT(number)
            elif mean > 0.0:
                state, chance = _next(state)
                if chance >= silent[g]:
                    number = _upward(float(silent[g]), size, mean / (mean + size), chance)
                to[g] = own[g] + FLOAT(number)
            elif own[g] > 0.0 and keep < 1.0:
                state, number = _thinned(state, own[g], keep)
                to[g] = FLOAT(number)
            else:
                to[g] = own[g]


@njit(**OPTIONS)
def filled(dense, first, last, number):
    """Write how many entries of each row are not zero."""
    for row in range(first, last):
        found = 0
        for g in range(dense.shape[1]):
            found += dense[row, g] != 0.0
        number[row] = found


@njit(**OPTIONS)
def compact(dense, starts, first, last, genes, values):
    """Write the entries that are not zero, row by row from `starts` on."""
    for row in range(first, last):
        at = starts[row]
        for g in range(dense.shape[1]):
            if dense[row, g] != 0.0:
                genes[at] = g
                values[at] = int(dense[row, g])
                at += 1
