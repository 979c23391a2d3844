"""Attention among few tokens, `LANES` sequences side by side, forward and back; numba.

Tables are feature-major, [W, T · LANES]: token t of sequence r is column t · LANES + r, so that a
compiler runs sequences at once. The first R tokens look, at all of them: `queries`
[W, R · LANES], `seen` [2 · W, T · LANES] are keys and values, in heads; `present` [T, LANES] are
the tokens that may be looked at, one at least. Single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.maths import exp_below

FLOAT = np.float32
LANES = 64
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _product(a, at, b, of, out):
    """Write Σ a[c, `at` + lane] b[c, `of` + lane] over features, four at a time."""
    out[:] = FLOAT(0.0)
    done, stop, end = 0, at + LANES, of + LANES
    while done + 4 <= a.shape[0]:
        p, q = a[done][at:stop], a[done + 1][at:stop]
        r, s = a[done + 2][at:stop], a[done + 3][at:stop]
        t, u = b[done][of:end], b[done + 1][of:end]
        v, w = b[done + 2][of:end], b[done + 3][of:end]
        for lane in range(LANES):
            left = p[lane] * t[lane] + q[lane] * u[lane]
            out[lane] += left + (r[lane] * v[lane] + s[lane] * w[lane])
        done += 4
    for c in range(done, a.shape[0]):
        one, other = a[c][at:stop], b[c][of:end]
        for lane in range(LANES):
            out[lane] += one[lane] * other[lane]


@njit(**OPTIONS)
def _add(factor, a, at, out, to):
    """Add `factor` a[c, `at` + lane] to out[c, `to` + lane]."""
    for c in range(a.shape[0]):
        own, there = a[c][at : at + LANES], out[c][to : to + LANES]
        for lane in range(LANES):
            there[lane] += factor[lane] * own[lane]


@njit(**OPTIONS)
def _softmax(score, present, scale):
    """Write the softmax over the tokens that are present in the place of scores [T, LANES]."""
    most, total = np.empty(LANES, FLOAT), np.empty(LANES, FLOAT)
    for lane in range(LANES):
        most[lane], total[lane] = FLOAT(-1e30), FLOAT(0.0)
    for j in range(present.shape[0]):
        for lane in range(LANES):
            seen = score[j, lane] * scale + (present[j, lane] - FLOAT(1.0)) * FLOAT(1e30)
            score[j, lane] = seen
            most[lane] = seen if seen > most[lane] else most[lane]
    for j in range(present.shape[0]):
        for lane in range(LANES):
            power = exp_below(score[j, lane] - most[lane]) * present[j, lane]
            score[j, lane] = power
            total[lane] += power
    for j in range(present.shape[0]):
        for lane in range(LANES):
            score[j, lane] /= total[lane]


@njit(**OPTIONS)
def attend(queries, seen, present, heads, scale, share, out):
    """Write the attended values [W, R · LANES] and the attention, `share` [H, R, T, LANES]."""
    tokens, whole = present.shape[0], out.shape[0]
    width = whole // heads
    out[:] = FLOAT(0.0)
    for h in range(heads):
        first, last = h * width, (h + 1) * width
        query, key = queries[first:last], seen[first:last]
        value, to = seen[whole + first : whole + last], out[first:last]
        for i in range(share.shape[1]):
            score = share[h, i]
            for j in range(tokens):
                _product(query, i * LANES, key, j * LANES, score[j])
            _softmax(score, present, scale)
            for j in range(tokens):
                _add(score[j], value, j * LANES, to, i * LANES)


@njit(**OPTIONS)
def _pulled(share, slope, scale):
    """Write the gradient in the scores in the place of that in the shares, [T, LANES]."""
    mean = np.zeros(LANES, FLOAT)
    for j in range(slope.shape[0]):
        for lane in range(LANES):
            mean[lane] += share[j, lane] * slope[j, lane]
    for j in range(slope.shape[0]):
        for lane in range(LANES):
            slope[j, lane] = share[j, lane] * (slope[j, lane] - mean[lane]) * scale


@njit(**OPTIONS)
def attend_slopes(queries, seen, share, down, scale, by_queries, by_seen):
    """Write the gradients in queries, keys and values.

    `down` [W, R · LANES] is that in what was attended.
    """
    heads, looking, tokens = share.shape[0], share.shape[1], share.shape[2]
    whole = down.shape[0]
    width, slope = whole // heads, np.empty((tokens, LANES), FLOAT)
    by_queries[:] = FLOAT(0.0)
    by_seen[:] = FLOAT(0.0)
    for h in range(heads):
        first, last = h * width, (h + 1) * width
        query, key = queries[first:last], seen[first:last]
        value, given = seen[whole + first : whole + last], down[first:last]
        to_query, to_key = by_queries[first:last], by_seen[first:last]
        to_value = by_seen[whole + first : whole + last]
        for i in range(looking):
            for j in range(tokens):
                _product(given, i * LANES, value, j * LANES, slope[j])
            _pulled(share[h, i], slope, scale)
            for j in range(tokens):
                _add(share[h, i, j], given, i * LANES, to_value, j * LANES)
                _add(slope[j], key, j * LANES, to_query, i * LANES)
                _add(slope[j], query, i * LANES, to_key, j * LANES)
