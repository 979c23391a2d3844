"""Rates of a few genes in all cells, made while they lie in the cache; numba.

B cells, G genes, C = G or G + 1 classes, single precision; T tiles of `TILE` genes, zero beyond the
last one. In a tile [B, TILE] `ratio` is what a rate changes by, `low` is E[λ | 0] = μ θ/(θ + μ).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.maths import exp_below, total_of

FLOAT = np.float32
ZERO, ONE = FLOAT(0.0), FLOAT(1.0)
LEAST = FLOAT(1e-8)  # of a rate that others are divided by, as in the distributions
SHIFT = 5
TILE = 1 << SHIFT
LAST = TILE - 1  # its bits are those of a gene's place in a tile
PRODUCTS = 2**17  # of numbers in one call, which BLAS does without threads of its own
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _products(state, table, out):
    """Write the product of `state` [n, D] and a tile's weights [D, TILE]."""
    some = max(PRODUCTS // table.size, 1)
    for row in range(0, len(state), some):
        np.dot(state[row : row + some], table, out[row : row + some])


@njit(**OPTIONS)
def _peaks(logits, bias, peak):
    """Add `bias` to the logits of a tile, and find the greatest of each row and column so far."""
    for row in range(logits.shape[0]):
        for k in range(TILE):
            own = logits[row, k] + bias[k]
            logits[row, k] = own
            peak[row, k] = own if own > peak[row, k] else peak[row, k]


@njit(**OPTIONS)
def _sums(logits, top, total):
    """Add the powers of a tile's logits by row and column."""
    for row in range(logits.shape[0]):
        most = top[row]
        for k in range(TILE):
            total[row, k] += exp_below(logits[row, k] - most)


@njit(**OPTIONS)
def _powers(logits, top, total):
    """Do so and write the powers in the place of the logits."""
    for row in range(logits.shape[0]):
        most = top[row]
        for k in range(TILE):
            own = exp_below(logits[row, k] - most)
            logits[row, k] = own
            total[row, k] += own


@njit(**OPTIONS)
def _logits(state, table, bias, top):
    """Return the logits [T, n, TILE] of some cells, and write the greatest of each."""
    logits = np.empty((len(table), len(state), TILE), FLOAT)
    peak = np.full(logits.shape[1:], -np.inf, FLOAT)
    for tile in range(len(table)):
        _products(state, table[tile], logits[tile])
        _peaks(logits[tile], bias[tile], peak)
    for row in range(len(state)):
        top[row] = peak[row].max()
    return logits


@njit(**OPTIONS)
def levels(state, table, bias, library, first, last, top, scale):
    """Write what rates are made of beside logits: e^(logit + bias − `top`) times `scale`, [B].

    Of the rows `first` to `last` of `state` [B, D]. `table` and `bias` hold all classes, see
    `tiled`.
    """
    logits = _logits(state[first:last], table, bias, top[first:last])
    total = np.zeros(logits.shape[1:], FLOAT)
    for tile in range(len(table)):
        _sums(logits[tile], top[first:last], total)
    for row in range(first, last):
        scale[row] = library[row] / total_of(total[row - first])


@njit(**OPTIONS)
def added_up(state, table, bias, library, first, last, out):
    """Write the rates of all classes, added up over the rows `first` to `last`, to `out` [T, TILE].

    What is read is as in `levels`.
    """
    top, scale = np.empty(last - first, FLOAT), np.empty(last - first, FLOAT)
    logits = _logits(state[first:last], table, bias, top)
    total = np.zeros(logits.shape[1:], FLOAT)
    for tile in range(len(table)):
        _powers(logits[tile], top, total)
    for row in range(last - first):
        scale[row] = library[first + row] / total_of(total[row])
    out[:] = ZERO
    for tile in range(len(table)):
        own, to = logits[tile], out[tile]
        for row in range(last - first):
            factor = scale[row]
            for k in range(TILE):
                to[k] += own[row, k] * factor


@njit(**OPTIONS)
def tiled(weight, table):
    """Write the weights [C, D] of all classes to `table` [T, D, TILE], zero beyond the last."""
    for tile in range(table.shape[0]):
        start = TILE * tile
        table[tile] = ZERO
        for k in range(min(TILE, len(weight) - start)):
            for d in range(table.shape[1]):
                table[tile, d, k] = weight[start + k, d]


@njit(**OPTIONS)
def _decoded_tile(state, table, bias, top, scale, out):
    """Write the rates of all cells and a tile's genes."""
    _products(state, table, out)
    for row in range(len(state)):
        most, factor = top[row], scale[row]
        for k in range(TILE):
            out[row, k] = exp_below(out[row, k] + bias[k] - most) * factor


@njit(**OPTIONS)
def _given_tile(rates, start, out):
    """Copy the rates of all cells and a tile's genes."""
    for row in range(len(rates)):
        for k in range(min(TILE, rates.shape[1] - start)):
            out[row, k] = rates[row, start + k]


@njit(**OPTIONS)
def rates_of(rates, which, table, tile, out):
    """Write the rates of a tile's genes in all cells [B, TILE].

    `rates` are several tables, of which `which` is read: all their rates [L, B, G], or no rows of
    these and what they are decoded from: states [L, B, D], biases [L, T, TILE] and `levels`
    [L, 2, B]; with weights as `tiled` writes them, else none.
    """
    given, states, biases, levels = rates
    if table.shape[0]:
        top, scale = levels[which, 0], levels[which, 1]
        _decoded_tile(states[which], table[tile], biases[which, tile], top, scale, out)
    else:
        _given_tile(given[which], TILE * tile, out)


@njit(**OPTIONS)
def compared(mean, genes, theta, ratio, low, wanted):
    """Write `ratio` in the place of rates after, and `low`, given the rates before, `mean`.

    `wanted` [TILE] becomes the sum of the rates after. `theta` [TILE] is the dispersion of the
    tile's genes, the first `genes` of which there are.
    """
    wanted[:] = ZERO
    for row in range(len(mean)):
        for k in range(TILE):
            before, ahead = max(mean[row, k], LEAST), ratio[row, k]
            both = theta[k] + before
            inverse = ONE / (before * both)
            ratio[row, k] = ahead * both * inverse
            low[row, k] = before * before * theta[k] * inverse
            wanted[k] += ahead
    if genes < TILE:
        ratio[:, genes:], low[:, genes:], wanted[genes:] = ZERO, ZERO, ZERO
