"""A pre-norm transformer block on few tokens, `LANES` sequences side by side; numba.

x + M A(LN(x)), then t + D GELU(U LN(t)), forward and back, of all T tokens or of the first R, which
look at all. `pack` holds its parameters one after the other in the order of `cut_attention` and
`cut_mlp`. Inside, tables are as `layers` and `attention_rows` have them. Single precision.
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
def _parts(kept, width, hidden, tokens, looking):
    """Return x, keys with values, queries, what was attended, t and what enters the GELU."""
    all_of, some = tokens * LANES, looking * LANES
    at = 3 * width * all_of
    after = at + 3 * width * some
    return (
        kept[: width * all_of].reshape(width, all_of),
        kept[width * all_of : at].reshape(2 * width, all_of),
        kept[at : at + width * some].reshape(width, some),
        kept[at + width * some : after - width * some].reshape(width, some),
        kept[after - width * some : after].reshape(width, some),
        kept[after : after + hidden * some].reshape(hidden, some),
    )


@njit(**OPTIONS)
def kept_by(width, hidden, tokens, looking):
    """Return how many numbers `forward` keeps for `back`."""
    return 3 * width * tokens * LANES + (3 * width + hidden) * looking * LANES


@njit(**OPTIONS)
def forward(table, present, pack, hidden, heads, scale, epsilon, first, last, kept, share, out):
    """Write the block's output of sequences `first` to `last`, at most LANES, to `out` [N, R · W].

    `table` [N, T · W] is its input, `present` [N, T] are floats. `kept` [`kept_by`] and `share`
    [H, R, T, LANES] are left for `back`.
    """
    tokens, looking = share.shape[2], share.shape[1]
    width = table.shape[1] // tokens
    gain, bias, to_qkv, qkv_bias, merge, merge_bias = cut_attention(pack, width)
    gain2, bias2, up, up_bias, down, down_bias = cut_mlp(pack, width, hidden)
    x, keyed, queries, seen, t, u = _parts(kept, width, hidden, tokens, looking)
    hat, scales = np.empty(x.shape, FLOAT), np.empty(x.shape[1], FLOAT)
    may = np.ones((tokens, LANES), FLOAT)
    for row in range(first, last):
        for token in range(tokens):
            may[token, row - first] = present[row, token]
    x[:] = FLOAT(0.0)
    _load(table, width, first, last, x)
    normalised(x, epsilon, hat, scales)
    affine(hat, gain, bias, hat)
    linear(to_qkv[:width], qkv_bias[:width], hat, queries)
    linear(to_qkv[width:], qkv_bias[width:], hat, keyed)
    attend(queries, keyed, may, heads, scale, share, seen)
    linear(merge, merge_bias, seen, t)
    _add_to(x, t)
    own, active = np.empty(t.shape, FLOAT), np.empty(u.shape, FLOAT)
    normalised(t, epsilon, own, scales)
    affine(own, gain2, bias2, own)
    linear(up, up_bias, own, u)
    gelu(u, active)
    linear(down, down_bias, active, own)
    _add_to(t, own)
    _store(own, first, last, out)


@njit(**OPTIONS)
def _add_to(x, out):
    """Add `x` to `out`, of the columns that both have."""
    columns = min(x.shape[1], out.shape[1])
    for c in range(out.shape[0]):
        for i in range(columns):
            out[c, i] += x[c, i]


@njit(**OPTIONS)
def _mlp_back(slope, t, u, pack, hidden, epsilon, slopes):
    """Turn the gradient in the output into that in t, in its place; write those in the MLP."""
    width, columns = t.shape
    gain, bias, up, _, down, _ = cut_mlp(pack, width, hidden)
    by_gain, by_bias, by_up, by_up_bias, by_down, by_down_bias = cut_mlp(slopes, width, hidden)
    hat, normed = np.empty(t.shape, FLOAT), np.empty(t.shape, FLOAT)
    scales, wide = np.empty(columns, FLOAT), np.empty(u.shape, FLOAT)
    gelu(u, wide)
    linear_slopes(slope, wide, by_down, by_down_bias)
    wide[:] = FLOAT(0.0)
    add_product(down.T.copy(), slope, wide)
    gelu_slopes(u, wide)
    normalised(t, epsilon, hat, scales)
    affine(hat, gain, bias, normed)
    linear_slopes(wide, normed, by_up, by_up_bias)
    normed[:] = FLOAT(0.0)
    add_product(up.T.copy(), wide, normed)
    norm_slopes(normed, hat, scales, gain, by_gain, by_bias, slope)


@njit(**OPTIONS)
def back(grad, pack, hidden, scale, epsilon, first, last, kept, share, slopes, out):
    """Write the gradients in the input, `out` [N, T · W], and in the parameters, `slopes`.

    `grad` [N, R · W] is that in the output.
    """
    tokens, looking = share.shape[2], share.shape[1]
    width = out.shape[1] // tokens
    gain, bias, to_qkv, _, merge, _ = cut_attention(pack, width)
    by_gain, by_bias, by_qkv, by_qkv_bias, by_merge, by_merge_bias = cut_attention(slopes, width)
    x, keyed, queries, seen, t, u = _parts(kept, width, hidden, tokens, looking)
    own, inner = np.zeros(t.shape, FLOAT), np.zeros(t.shape, FLOAT)
    _load(grad, width, first, last, own)
    _mlp_back(own, t, u, pack, hidden, epsilon, slopes)
    linear_slopes(own, seen, by_merge, by_merge_bias)
    add_product(merge.T.copy(), own, inner)
    by_queries, by_keyed = np.empty(queries.shape, FLOAT), np.empty(keyed.shape, FLOAT)
    attend_slopes(queries, keyed, share, inner, scale, by_queries, by_keyed)
    hat, normed = np.empty(x.shape, FLOAT), np.empty(x.shape, FLOAT)
    scales, slope = np.empty(x.shape[1], FLOAT), np.zeros(x.shape, FLOAT)
    normalised(x, epsilon, hat, scales)
    affine(hat, gain, bias, normed)
    linear_slopes(by_queries, normed, by_qkv[:width], by_qkv_bias[:width])
    linear_slopes(by_keyed, normed, by_qkv[width:], by_qkv_bias[width:])
    normed[:] = FLOAT(0.0)
    add_product(to_qkv[:width].T.copy(), by_queries, normed)
    add_product(to_qkv[width:].T.copy(), by_keyed, normed)
    _add_to(own, slope)
    norm_slopes(normed, hat, scales, gain, by_gain, by_bias, slope)
    _store(slope, first, last, out)
