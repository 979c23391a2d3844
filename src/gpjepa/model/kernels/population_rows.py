"""What measured counts become when their rates change, cell by cell; numba.

Rows are cells, [B, G]; counts above zero are given in CSR form: `starts` [B + 1], `genes` [N] in
order and `counts` [N]. A gain is NB, which is a Poisson process of rate h = θ log(1 + m/θ) for
mean m whose events each bring a number of the logarithmic series (Quenouille 1949); a count is
kept with probability r if it is hit by none of the events of a process of rate −log r. The
processes of all genes are gone along by exponential gaps, so that nothing is drawn where nothing
happens. What genes without a count gain is drawn before, see `gain_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.draws import (
    MUCH,
    logarithmic,
    negative_binomial,
    thinned,
    uniform,
    waiting,
)
from gpjepa.model.kernels.maths import log1p_of

FLOAT, WORD = np.float32, np.uint64
LEAST = FLOAT(1e-30)
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
    """Write what the counts become."""
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
def changed(starts, genes, counts, dispersion, by, rate, gains, seeds, first, last, number):
    """Return genes and counts of cells `first` to `last` once their rates have changed.

    `by` and `rate` [N] are as `gene_factors.balance` writes them, `gains` CSR rows of what genes
    without a count gain. A rate that falls keeps each count with the ratio as probability, one that
    rises gains what a Gamma of shape x + θ says. Cells are seeded by `seeds` [B]; `number` [B] is
    how many each has.
    """
    width, (gain_starts, found, values) = dispersion.shape[0], gains
    space, kept = np.empty((5, width), FLOAT), np.empty(width, np.int32)
    theta, more, odds, size, speed = space[0], space[1], space[2], space[3], space[4]
    most = starts[last] - starts[first] + gain_starts[last] - gain_starts[first]
    to_genes, to_values, at = np.empty(most, np.int32), np.empty(most, np.int32), 0
    for row in range(first, last):
        begin, stop = starts[row], starts[row + 1]
        own, count = genes[begin:stop], counts[begin:stop]
        for i in range(own.shape[0]):
            theta[i] = dispersion[own[i]]
        _rates(count, theta, by[begin:stop], rate[begin:stop], more, odds, size, speed)
        _kept(WORD(seeds[row]), count, more, odds, size, speed, kept)
        i, j = gain_starts[row], gain_starts[row + 1]
        end = _merged(own, kept, found[i:j], values[i:j], j - i, to_genes, to_values, at)
        number[row], at = end - at, end
    return to_genes[:at], to_values[:at]
