"""A pre-norm transformer block on few tokens, `LANES` sequences side by side; numba.

x + M A(LN(x)), then t + D GELU(U LN(t)), forward and back. `pack` holds its parameters one after
the other in the order of `cut_attention` and `cut_mlp`. Inside, tables are as `layers` and
`attention_rows` have them. Single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels import layers
from gpjepa.model.kernels.attention_rows import LANES, attend, attend_slopes

FLOAT = np.float32
TILE = 16
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}
linear, linear_slopes, add_product = layers.linear, layers.linear_slopes, layers.add_product
normalised, affine, norm_slopes = layers.normalised, layers.affine, layers.norm_slopes
gelu, gelu_slopes = layers.gelu, layers.gelu_slopes


@njit(**OPTIONS)
def _load(table, width, first, last, to):
    """Write rows `first` to `last` of [N, T · W] to [W, T · LANES]."""
    for token in range(table.shape[1] // width):
        at, column = token * width, token * LANES - first
        for start in range(0, width, TILE):
            stop = min(start + TILE, width)
            for row in range(first, last):
                for c in range(start, stop):
                    to[c, column + row] = table[row, at + c]


@njit(**OPTIONS)
def _store(columns, first, last, table):
    width = columns.shape[0]
    for token in range(table.shape[1] // width):
        at, column = token * width, token * LANES - first
        for start in range(0, width, TILE):
            stop = min(start + TILE, width)
            for row in range(first, last):
                for c in range(start, stop):
                    table[row, at + c] = columns[c, column + row]


@njit(**OPTIONS)
def _matrix(pack, at, rows, columns):
    return pack[at : at + rows * columns].reshape(rows, columns)


@njit(**OPTIONS)
def cut_attention(pack, width):
    """Return gain and bias of the norm, weight and bias of queries, keys and values, of M."""
    at = 2 * width
    after = at + 3 * width * (width + 1)
    return (
        pack[:width],
        pack[width:at],
        _matrix(pack, at, 3 * width, width),
        pack[at + 3 * width * width : after],
        _matrix(pack, after, width, width),
        pack[after + width * width : after + width * (width + 1)],
    )


@njit(**OPTIONS)
def cut_mlp(pack, width, hidden):
    """Return gain and bias of the second norm, weight and bias of U and of D."""
    at = 2 * width + 4 * width * (width + 1)
    up = at + 2 * width
    down = up + hidden * (width + 1)
    return (
        pack[at : at + width],
        pack[at + width : up],
        _matrix(pack, up, hidden, width),
        pack[up + hidden * width : down],
        _matrix(pack, down, width, hidden),
        pack[down + width * hidden : down + width * (hidden + 1)],
    )


@njit(**OPTIONS)
def _parts(kept, width, hidden):
    """Return x, qkv, what was attended, t and what enters the GELU; as `forward` keeps them."""
    return (
        kept[:width],
        kept[width : 4 * width],
        kept[4 * width : 5 * width],
        kept[5 * width : 6 * width],
        kept[6 * width : 6 * width + hidden],
    )


@njit(**OPTIONS)
def forward(table, present, pack, hidden, heads, scale, epsilon, first, last, kept, share, out):
    """Write the block's output of sequences `first` to `last`, at most LANES, to `out` [N, T · W].

    `table` [N, T · W] is its input, `present` [N, T] are floats. `kept` [6 · W + `hidden`,
    T · LANES] and `share` [H, T, T, LANES] are left for `back`.
    """
    tokens = present.shape[1]
    width, columns = table.shape[1] // tokens, tokens * LANES
    gain, bias, to_qkv, qkv_bias, merge, merge_bias = cut_attention(pack, width)
    gain2, bias2, up, up_bias, down, down_bias = cut_mlp(pack, width, hidden)
    x, qkv, seen, t, u = _parts(kept, width, hidden)
    scales = np.empty(columns, FLOAT)
    hat, active = np.empty((width, columns), FLOAT), np.empty((hidden, columns), FLOAT)
    may = np.ones((tokens, LANES), FLOAT)
    for row in range(first, last):
        for token in range(tokens):
            may[token, row - first] = present[row, token]
    x[:] = FLOAT(0.0)
    _load(table, width, first, last, x)
    normalised(x, epsilon, hat, scales)
    affine(hat, gain, bias, hat)
    linear(to_qkv, qkv_bias, hat, qkv)
    attend(qkv, may, heads, scale, share, seen)
    linear(merge, merge_bias, seen, t)
    for c in range(width):
        for i in range(columns):
            t[c, i] += x[c, i]
    normalised(t, epsilon, hat, scales)
    affine(hat, gain2, bias2, hat)
    linear(up, up_bias, hat, u)
    gelu(u, active)
    linear(down, down_bias, active, hat)
    for c in range(width):
        for i in range(columns):
            hat[c, i] += t[c, i]
    _store(hat, first, last, out)


@njit(**OPTIONS)
def back(grad, pack, hidden, scale, epsilon, first, last, kept, share, slopes, out):
    """Write the gradients in the input, `out` [N, T · W], and in the parameters, `slopes`.

    `grad` [N, T · W] is that in the output.
    """
    width, columns = grad.shape[1] // share.shape[1], kept.shape[1]
    gain, _, to_qkv, _, merge, _ = cut_attention(pack, width)
    gain2, bias2, up, _, down, _ = cut_mlp(pack, width, hidden)
    by_gain, by_bias, by_qkv, by_qkv_bias, by_merge, by_merge_bias = cut_attention(slopes, width)
    by_gain2, by_bias2, by_up, by_up_bias, by_down, by_down_bias = cut_mlp(slopes, width, hidden)
    x, qkv, seen, t, u = _parts(kept, width, hidden)
    scales = np.empty(columns, FLOAT)
    hat, normed = np.empty((width, columns), FLOAT), np.empty((width, columns), FLOAT)
    slope, wide = np.zeros((width, columns), FLOAT), np.empty((hidden, columns), FLOAT)
    _load(grad, width, first, last, slope)
    gelu(u, wide)
    linear_slopes(slope, wide, by_down, by_down_bias)
    wide[:] = FLOAT(0.0)
    add_product(down.T.copy(), slope, wide)
    gelu_slopes(u, wide)
    normalised(t, epsilon, hat, scales)
    affine(hat, gain2, bias2, normed)
    linear_slopes(wide, normed, by_up, by_up_bias)
    normed[:] = FLOAT(0.0)
    add_product(up.T.copy(), wide, normed)
    norm_slopes(normed, hat, scales, gain2, by_gain2, by_bias2, slope)
    linear_slopes(slope, seen, by_merge, by_merge_bias)
    normed[:] = FLOAT(0.0)
    add_product(merge.T.copy(), slope, normed)
    triple = np.empty((3 * width, columns), FLOAT)
    attend_slopes(qkv, share, normed, scale, triple)
    normalised(x, epsilon, hat, scales)
    affine(hat, gain, pack[width : 2 * width], normed)
    linear_slopes(triple, normed, by_qkv, by_qkv_bias)
    normed[:] = FLOAT(0.0)
    add_product(to_qkv.T.copy(), triple, normed)
    norm_slopes(normed, hat, scales, gain, by_gain, by_bias, slope)
    _store(slope, first, last, out)
