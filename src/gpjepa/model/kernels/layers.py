"""Layers on feature-major tables [W, C], forward and back: a row is one feature of all tokens.

Numba, single precision. Rows are not cut out where loops are short: each cut is counted, which
takes time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.maths import dot, erf, exp_below, total_of

FLOAT = np.float32
HALF, ONE = FLOAT(0.5), FLOAT(1.0)
ROOT_HALF, DENSITY = FLOAT(math.sqrt(0.5)), FLOAT(1.0 / math.sqrt(2.0 * math.pi))
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(fastmath=True, **OPTIONS)
def _add_eight(weight, x, k, out):
    """Add what the eight features of `x` from `k` on bring."""
    columns = min(x.shape[1], out.shape[1])
    for o in range(out.shape[0]):
        p, q, r, s = weight[o, k], weight[o, k + 1], weight[o, k + 2], weight[o, k + 3]
        t, u, v, w = weight[o, k + 4], weight[o, k + 5], weight[o, k + 6], weight[o, k + 7]
        for i in range(columns):
            left = (p * x[k, i] + q * x[k + 1, i]) + (r * x[k + 2, i] + s * x[k + 3, i])
            right = (t * x[k + 4, i] + u * x[k + 5, i]) + (v * x[k + 6, i] + w * x[k + 7, i])
            out[o, i] += left + right


@njit(**OPTIONS)
def add_product(weight, x, out):
    """Add `weight` [O, I] times `x` [I, C] to `out` [O, C]; of the columns that both have."""
    many, columns = x.shape[0] - x.shape[0] % 8, min(x.shape[1], out.shape[1])
    for k in range(0, many, 8):
        _add_eight(weight, x, k, out)
    for k in range(many, x.shape[0]):
        for o in range(out.shape[0]):
            for i in range(columns):
                out[o, i] += weight[o, k] * x[k, i]


@njit(**OPTIONS)
def linear(weight, bias, x, out):
    """Write `weight` x + `bias` to `out`, of as many columns as that has."""
    for o in range(out.shape[0]):
        out[o, :] = bias[o]
    add_product(weight, x, out)


@njit(fastmath=True, **OPTIONS)
def _eight_sums(a, o, x, k):
    """Return the sums of products of four rows of `a` from `o` on and two of `x`."""
    p, q, r, s = FLOAT(0.0), FLOAT(0.0), FLOAT(0.0), FLOAT(0.0)
    t, u, v, w = FLOAT(0.0), FLOAT(0.0), FLOAT(0.0), FLOAT(0.0)
    for i in range(a.shape[1]):
        p += a[o, i] * x[k, i]
        q += a[o + 1, i] * x[k, i]
        r += a[o + 2, i] * x[k, i]
        s += a[o + 3, i] * x[k, i]
        t += a[o, i] * x[k + 1, i]
        u += a[o + 1, i] * x[k + 1, i]
        v += a[o + 2, i] * x[k + 1, i]
        w += a[o + 3, i] * x[k + 1, i]
    return p, q, r, s, t, u, v, w


@njit(**OPTIONS)
def linear_slopes(down, x, weight, bias):
    """Write the gradients in weight [O, I] and bias [O], given that in the output, `down`.

    `x` may have more columns than that.
    """
    outer, inner = weight.shape
    many, pairs = outer - outer % 4, inner - inner % 2
    for o in range(0, many, 4):
        for k in range(0, pairs, 2):
            p, q, r, s, t, u, v, w = _eight_sums(down, o, x, k)
            weight[o, k], weight[o + 1, k], weight[o + 2, k], weight[o + 3, k] = p, q, r, s
            weight[o, k + 1], weight[o + 1, k + 1] = t, u
            weight[o + 2, k + 1], weight[o + 3, k + 1] = v, w
    for o in range(outer):
        for k in range(pairs if o < many else 0, inner):
            weight[o, k] = dot(x[k], down[o])
        bias[o] = total_of(down[o])


@njit(**OPTIONS)
def normalised(x, epsilon, hat, scale):
    """Write the features of each token at mean 0 and variance 1, and what they were scaled by."""
    share = ONE / FLOAT(x.shape[0])
    mean = np.zeros(x.shape[1], FLOAT)
    for c in range(x.shape[0]):
        for i in range(x.shape[1]):
            mean[i] += x[c, i] * share
    scale[:] = FLOAT(0.0)
    for c in range(x.shape[0]):
        for i in range(x.shape[1]):
            hat[c, i] = x[c, i] - mean[i]
            scale[i] += hat[c, i] * hat[c, i]
    for i in range(x.shape[1]):
        scale[i] = ONE / FLOAT(math.sqrt(scale[i] * share + epsilon))
    for c in range(x.shape[0]):
        for i in range(x.shape[1]):
            hat[c, i] *= scale[i]


@njit(**OPTIONS)
def affine(hat, gain, bias, out):
    """Write `gain` · `hat` + `bias` of each feature."""
    for c in range(hat.shape[0]):
        for i in range(hat.shape[1]):
            out[c, i] = gain[c] * hat[c, i] + bias[c]


@njit(**OPTIONS)
def norm_slopes(down, hat, scale, gain, by_gain, by_bias, out):
    """Add the gradient in what was normalised to `out`, write those in gain and bias.

    `down` is the gradient in the output of `affine`; it is written over.
    """
    share = ONE / FLOAT(hat.shape[0])
    mean, along = np.zeros(hat.shape[1], FLOAT), np.zeros(hat.shape[1], FLOAT)
    for c in range(hat.shape[0]):
        by_gain[c], by_bias[c] = dot(down[c], hat[c]), total_of(down[c])
        for i in range(hat.shape[1]):
            down[c, i] *= gain[c]
            mean[i] += down[c, i] * share
            along[i] += down[c, i] * hat[c, i] * share
    for c in range(hat.shape[0]):
        for i in range(hat.shape[1]):
            out[c, i] += scale[i] * (down[c, i] - mean[i] - hat[c, i] * along[i])


@njit(**OPTIONS)
def gelu(x, out):
    """Write x Φ(x)."""
    for c in range(x.shape[0]):
        for i in range(x.shape[1]):
            out[c, i] = HALF * x[c, i] * (ONE + erf(x[c, i] * ROOT_HALF))


@njit(**OPTIONS)
def gelu_slopes(x, down):
    """Write the gradient in `x` in the place of that in its GELU, Φ(x) + x φ(x) times it."""
    for c in range(x.shape[0]):
        for i in range(x.shape[1]):
            own = x[c, i]
            below = HALF * (ONE + erf(own * ROOT_HALF))
            down[c, i] *= below + own * DENSITY * exp_below(-HALF * own * own)
