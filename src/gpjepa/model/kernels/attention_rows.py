"""Attention among few tokens, `LANES` sequences side by side, forward and back; numba.

`qkv` [N, T, 3, H, D] holds query, key and value of N sequences of T tokens in H heads; `present`
[N, T] are the tokens that may be looked at, one at least. Inside, sequences come last, so that a
compiler runs them at once. Single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.maths import exp_below

FLOAT = np.float32
LANES, TILE = 64, 16
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _load(table, first, last, to):
    """Write rows `first` to `last` of [N, F] as columns of [F, LANES]."""
    for at in range(0, table.shape[1], TILE):
        end = min(at + TILE, table.shape[1])
        for row in range(first, last):
            for i in range(at, end):
                to[i, row - first] = table[row, i]


@njit(**OPTIONS)
def _store(columns, first, last, table):
    for at in range(0, table.shape[1], TILE):
        end = min(at + TILE, table.shape[1])
        for row in range(first, last):
            for i in range(at, end):
                table[row, i] = columns[i, row - first]


@njit(**OPTIONS)
def _product(a, b, at, of, width, out, row):
    """Write Σ a[at + c] b[of + c] over c below `width`."""
    for lane in range(out.shape[1]):
        out[row, lane] = FLOAT(0.0)
    for c in range(width):
        for lane in range(out.shape[1]):
            out[row, lane] += a[at + c, lane] * b[of + c, lane]


@njit(**OPTIONS)
def _add(factor, row, a, at, of, width, out):
    """Add `factor`[row] a[at + c] to out[of + c] for c below `width`."""
    for c in range(width):
        for lane in range(out.shape[1]):
            out[of + c, lane] += factor[row, lane] * a[at + c, lane]


@njit(**OPTIONS)
def _softmax(score, at, present, scale):
    """Write the softmax over the tokens that are present in the place of T scores from `at` on."""
    most, total = np.empty(LANES, FLOAT), np.empty(LANES, FLOAT)
    for lane in range(score.shape[1]):
        most[lane], total[lane] = FLOAT(-1e30), FLOAT(0.0)
    for j in range(present.shape[0]):
        for lane in range(score.shape[1]):
            seen = score[at + j, lane] * scale + (present[j, lane] - FLOAT(1.0)) * FLOAT(1e30)
            score[at + j, lane] = seen
            most[lane] = seen if seen > most[lane] else most[lane]
    for j in range(present.shape[0]):
        for lane in range(score.shape[1]):
            power = exp_below(score[at + j, lane] - most[lane]) * present[j, lane]
            score[at + j, lane] = power
            total[lane] += power
    for j in range(present.shape[0]):
        for lane in range(score.shape[1]):
            score[at + j, lane] /= total[lane]


@njit(**OPTIONS)
def attend(qkv, present, heads, scale, first, last, share, out):
    """Write the attended values to `out` [N, T · W] and the attention for `back`.

    `qkv` [N, T · 3 · W] and `present` [N, T] are float; `share` is [N / LANES, H · T · T, LANES],
    of whose first dimension `first` / LANES on are written.
    """
    tokens = present.shape[1]
    whole = qkv.shape[1] // (3 * tokens)
    width = whole // heads
    own, seen = np.zeros((qkv.shape[1], LANES), FLOAT), np.ones((tokens, LANES), FLOAT)
    made = np.empty((out.shape[1], LANES), FLOAT)
    for start in range(first, last, LANES):
        stop = min(start + LANES, last)
        _load(qkv, start, stop, own)
        _load(present, start, stop, seen)
        score = share[start // LANES]
        made[:] = FLOAT(0.0)
        for h in range(heads):
            for i in range(tokens):
                at, query = (h * tokens + i) * tokens, 3 * i * whole + h * width
                for j in range(tokens):
                    key = (3 * j + 1) * whole + h * width
                    _product(own, own, query, key, width, score, at + j)
                _softmax(score, at, seen, scale)
                to = i * whole + h * width
                for j in range(tokens):
                    value = (3 * j + 2) * whole + h * width
                    _add(score, at + j, own, value, to, width, made)
        _store(made, start, stop, out)


@njit(**OPTIONS)
def _pulled(share, at, slope, scale):
    """Write the gradient in the scores in the place of that in the shares, [T, LANES]."""
    mean = np.zeros(LANES, FLOAT)
    for j in range(slope.shape[0]):
        for lane in range(slope.shape[1]):
            mean[lane] += share[at + j, lane] * slope[j, lane]
    for j in range(slope.shape[0]):
        for lane in range(slope.shape[1]):
            slope[j, lane] = share[at + j, lane] * (slope[j, lane] - mean[lane]) * scale


@njit(**OPTIONS)
def back(qkv, share, grad, tokens, heads, scale, first, last, out):
    """Write the gradient in `qkv`, given that in what was attended, `grad` [N, T · W]."""
    whole = qkv.shape[1] // (3 * tokens)
    width = whole // heads
    own, down = np.zeros((qkv.shape[1], LANES), FLOAT), np.zeros((grad.shape[1], LANES), FLOAT)
    made, slope = np.empty((qkv.shape[1], LANES), FLOAT), np.empty((tokens, LANES), FLOAT)
    for start in range(first, last, LANES):
        stop = min(start + LANES, last)
        _load(qkv, start, stop, own)
        _load(grad, start, stop, down)
        score = share[start // LANES]
        made[:] = FLOAT(0.0)
        for h in range(heads):
            for i in range(tokens):
                at, query = (h * tokens + i) * tokens, 3 * i * whole + h * width
                given = i * whole + h * width
                for j in range(tokens):
                    value = (3 * j + 2) * whole + h * width
                    _product(down, own, given, value, width, slope, j)
                _pulled(score, at, slope, scale)
                for j in range(tokens):
                    key = (3 * j + 1) * whole + h * width
                    _add(score, at + j, down, given, key + whole, width, made)
                    _add(slope, j, own, key, query, width, made)
                    _add(slope, j, own, query, key, width, made)
        _store(made, start, stop, out)
