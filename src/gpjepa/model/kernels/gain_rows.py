"""What genes without a count gain, drawn for all cells while the rates of a tile are near; numba.

A gain is NB, drawn as in `population_rows`: along the genes of a cell by exponential gaps. B cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.draws import (
    MUCH,
    logarithmic,
    negative_binomial,
    stream,
    uniform,
    waiting,
)
from gpjepa.model.kernels.rate_tiles import TILE

FLOAT = np.float32
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


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
    for k in range(dispersion.shape[0]):
        if mean[k] > MUCH:
            state, number = negative_binomial(state, float(dispersion[k]), float(mean[k]))
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
def _with_room(array, used, more):
    """Return the array with room for `more` entries beyond those used."""
    if used + more <= array.shape[0]:
        return array
    larger = np.empty(2 * used + 4 * more, array.dtype)
    larger[:used] = array[:used]
    return larger


@njit(**OPTIONS)
def begun(seeds, number, states, ahead):
    """Write the first state [B] of a stream of each seed, and how far ahead its first event is."""
    for row in range(seeds.shape[0]):
        states[row], ahead[row] = waiting(stream(seeds[row], number))


@njit(**OPTIONS)
def _means(ratio, low, factor, row, mean):
    """Write the expected gains of a cell's genes of a tile."""
    for k in range(TILE):
        mean[k] = max(ratio[row, k] * factor[k] - FLOAT(1.0), FLOAT(0.0)) * low[row, k]


@njit(**OPTIONS)
def _walked(state, ahead, mean, whole, dispersion, first, genes, values, at):
    """Append what a cell's genes of a tile gain; return the state, what is ahead and the end."""
    k, begin = 0, at
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
        state, number = _event(state, float(mean[k]), float(dispersion[k]))
        if number and at > large and genes[at - 1] == first + k:
            values[at - 1] += number
        elif number:
            genes[at], values[at] = first + k, number
            at += 1
        state, gap = waiting(state)
        ahead += gap
    if large > begin:
        _ordered(genes, values, begin, at)
    return state, max(ahead - whole, 0.0), at


@njit(**OPTIONS)
def gained(tables, factor, dispersion, first, gain, states, ahead, cell, found, at):
    """Append the gains of all cells' genes of a tile, from gene `first` on.

    `tables` are ratio and E[λ | 0] of the tile, which is 0 where there is a count; `gain` [B] is
    the sum of what its genes are expected to gain. `found` are cells, counted from `cell`, genes
    and values, `at` where they end; returned are the same with what was appended.
    """
    (ratio, low), (cells, genes, values) = tables, found
    mean = np.empty(TILE, FLOAT)
    for row in range(gain.shape[0]):
        whole = float(gain[row])
        if ahead[row] >= whole and whole <= MUCH:
            ahead[row] -= whole
            continue
        cells = _with_room(cells, at, 2 * TILE)
        genes, values = _with_room(genes, at, 2 * TILE), _with_room(values, at, 2 * TILE)
        _means(ratio, low, factor, row, mean)
        state, far, end = _walked(
            states[row], ahead[row], mean, whole, dispersion, first, genes, values, at
        )
        states[row], ahead[row] = state, far
        cells[at:end] = cell + row
        at = end
    return (cells, genes, values), at


@njit(**OPTIONS)
def by_cell(cells, genes, values, starts, to_genes, to_values):
    """Write gains in the order of cells, those of one as they come; `starts` [B + 1] from zeros."""
    for i in range(cells.shape[0]):
        starts[cells[i] + 1] += 1
    free = np.empty(starts.shape[0] - 1, np.int64)
    for row in range(free.shape[0]):
        free[row] = starts[row]
        starts[row + 1] += starts[row]
    for i in range(cells.shape[0]):
        to = free[cells[i]]
        to_genes[to], to_values[to] = genes[i], values[i]
        free[cells[i]] = to + 1
