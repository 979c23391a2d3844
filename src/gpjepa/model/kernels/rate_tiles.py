"""Rates of a few genes in all cells, made while they lie in the cache; numba.

B cells, G genes, C = G or G + 1 classes, single precision; T tiles of `TILE` genes, zero beyond the
last one. In a tile [B, TILE] `ratio` is what a rate changes by, `low` is E[λ | 0] = μ θ/(θ + μ).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.maths import fused_exp_below, total_of

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
            total[row, k] += fused_exp_below(logits[row, k] - most)


@njit(**OPTIONS)
def levels(state, table, bias, library, first, last, top, scale):
    """Write what rates are made of beside logits: e^(logit + bias − `top`) times `scale`, [B].

    Of the rows `first` to `last` of `state` [B, D]. `table` and `bias` hold all classes, see
    `tiled`.
    """
    logits = np.empty((len(table), last - first, TILE), FLOAT)
    peak, total = np.full(logits.shape[1:], -np.inf, FLOAT), np.zeros(logits.shape[1:], FLOAT)
    for tile in range(len(table)):
        _products(state[first:last], table[tile], logits[tile])
        _peaks(logits[tile], bias[tile], peak)
    for row in range(first, last):
        top[row] = peak[row - first].max()
    for tile in range(len(table)):
        _sums(logits[tile], top[first:last], total)
    for row in range(first, last):
        scale[row] = library[row] / total_of(total[row - first])


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
            out[row, k] = fused_exp_below(out[row, k] + bias[k] - most) * factor


@njit(**OPTIONS)
def _given_tile(rates, start, out):
    """Copy the rates of all cells and a tile's genes."""
    for row in range(len(rates)):
        for k in range(min(TILE, rates.shape[1] - start)):
            out[row, k] = rates[row, start + k]


@njit(**OPTIONS)
def _compared(theta, ratio, low, wanted):
    """Write `ratio` and `low` in the place of the rates after and before; add up those after."""
    for row in range(len(low)):
        for k in range(TILE):
            mean, ahead = max(low[row, k], LEAST), ratio[row, k]
            both = theta[k] + mean
            inverse = ONE / (mean * both)
            ratio[row, k] = ahead * both * inverse
            low[row, k] = mean * mean * theta[k] * inverse
            wanted[k] += ahead


@njit(**OPTIONS)
def changes(tables, tile, genes, theta, ratio, low, wanted):
    """Write `ratio` and `low` of a tile's genes in all cells, add their rates after to `wanted`.

    `tables` are the rates of all cells and genes before and after, each [B, G], or no rows of these
    and what they are decoded from: states [B, D] and biases [T, TILE] before and after, weights as
    `tiled` writes them, and `levels` [2, B] of both. `theta` [TILE] is the dispersion of the tile's
    genes, the first `genes` of which there are.
    """
    given, states, table, bias, top, scale = tables
    if table.shape[0]:
        _decoded_tile(states[0], table[tile], bias[0][tile], top[0], scale[0], low)
        _decoded_tile(states[1], table[tile], bias[1][tile], top[1], scale[1], ratio)
    else:
        _given_tile(given[0], TILE * tile, low)
        _given_tile(given[1], TILE * tile, ratio)
    _compared(theta, ratio, low, wanted)
    if genes < TILE:
        ratio[:, genes:], low[:, genes:], wanted[genes:] = ZERO, ZERO, ZERO
