"""Softmax, NB likelihood and their gradients in one pass over the genes of a cell; numba.

Every function works on the rows `first` to `last` and writes nowhere else, so that blocks of rows
run side by side. G genes, C = G or G + 1 classes. Single precision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.maths import (
    FUSED,
    digamma,
    dot,
    exp_below,
    log1p_and_share,
    log_of,
    total_of,
)

FLOAT, INT = np.float32, np.int32
TINY = FLOAT(1e-8)  # as in the distributions: a rate of zero leaves a positive count unlikely
OPTIONS: Mapping[str, Any] = {**FUSED, "nogil": True}


@njit(**OPTIONS)
def _next_row(dispersion, step, known, gain, slope, gain_before, slope_before):
    for g in range(dispersion.shape[0]):
        size = dispersion[g] + step
        gain[g] = gain_before[g] + log_of(size) - known
        slope[g] = slope_before[g] + FLOAT(1.0) / size


@njit(**OPTIONS)
def tabulate(dispersion, constant, gain, slope):
    """Fill [K, G] with log Γ(k + θ)/Γ(θ)k! and its derivative in θ for counts below K.

    `constant` [K] is log k!.
    """
    gain[0, :] = FLOAT(0.0)
    slope[0, :] = FLOAT(0.0)
    for k in range(1, gain.shape[0]):
        known = constant[k] - constant[k - 1]
        step = FLOAT(k - 1)
        _next_row(dispersion, step, known, gain[k], slope[k], gain[k - 1], slope[k - 1])


@njit(**OPTIONS)
def _peak(values):
    """Return the greatest; as integers of the same order, which compare several at once."""
    bits, most = values.view(np.int32), INT(-2147483647)
    for i in range(bits.shape[0]):
        most = max(most, INT(bits[i] ^ ((bits[i] >> INT(31)) & INT(0x7FFFFFFF))))
    return INT(most ^ ((most >> INT(31)) & INT(0x7FFFFFFF))).view(np.float32)


@njit(**OPTIONS)
def _powers(own, bias):
    """Write e^(x + `bias` − greatest) in the place of each x and return the sum."""
    for c in range(own.shape[0]):
        own[c] += bias[c]
    top = _peak(own)
    for c in range(own.shape[0]):
        own[c] = exp_below(own[c] - top)
    return total_of(own)


@njit(**OPTIONS)
def shares(logits, bias, first, last):
    """Write the softmax of each row plus `bias` [C] in its place."""
    for row in range(first, last):
        own = logits[row]
        scale = FLOAT(1.0) / _powers(own, bias)
        for c in range(own.shape[0]):
            own[c] *= scale


@njit(**OPTIONS)
def scaled(logits, bias, library, first, last, out):
    """Write the softmax of rows plus `bias` [C] times `library` [N].

    Of the classes that `out` [N, G] has room for.
    """
    for row in range(first, last):
        own, to = logits[row], out[row]
        scale = library[row] / _powers(own, bias)
        for c in range(to.shape[0]):
            to[c] = own[c] * scale


@njit(**OPTIONS)
def _zero_counts(share, library, dispersion, inverse, silence, slope, by_gene):
    """Write log NB(0), its derivative in log μ, and add that in θ to `by_gene`."""
    for g in range(dispersion.shape[0]):
        u = share[g] * library * inverse[g]
        log1p, part = log1p_and_share(u)
        silence[g] = log1p
        slope[g] = -dispersion[g] * part
        by_gene[g] += part - log1p


@njit(**OPTIONS)
def _beyond_table(count, dispersion):
    """Return log Γ(x + θ)/Γ(θ)x! and its derivative in θ for a large count."""
    x, theta = float(count), float(dispersion)
    low, at = 0.0, theta
    while at < 16.0:
        low -= 1.0 / at
        at += 1.0
    gain = math.lgamma(x + theta) - math.lgamma(theta) - math.lgamma(x + 1.0)
    return FLOAT(gain), FLOAT(digamma(x + theta) - digamma(at) - low)


@njit(**OPTIONS)
def _gathered(share, library, dispersion, genes, counts, ratio, slope, rise):
    """Write of each count its x log (μ/(μ + θ)) and the derivatives in log μ and θ."""
    for i in range(genes.shape[0]):
        g = genes[i]
        mean = share[g] * library
        seen, one = mean + TINY, FLOAT(1.0) / (mean + dispersion[g])
        ratio[i] = seen * one
        slope[i] = counts[i] * (mean / seen - mean * one)
        rise[i] = -counts[i] * one
    for i in range(genes.shape[0]):
        ratio[i] = counts[i] * log_of(ratio[i])


@njit(**OPTIONS)
def _scattered(dispersion, genes, counts, gain, rise, slopes, rises, slope, by_gene):
    """Add what counts above zero change; return the sum of their log Γ(x + θ)/Γ(θ)x!."""
    value = FLOAT(0.0)
    for i in range(genes.shape[0]):
        g, k = genes[i], int(counts[i])
        slope[g] += slopes[i]
        if k < gain.shape[0]:
            value += gain[k, g]
            by_gene[g] += rises[i] + rise[k, g]
        else:
            more, steeper = _beyond_table(counts[i], dispersion[g])
            value += more
            by_gene[g] += rises[i] + steeper
    return value


@njit(**OPTIONS)
def likelihood(
    share, library, dispersion, inverse, gain, rise, starts, genes, counts, rows, first, last,
    total, slope, start, by_gene,
):  # fmt: skip
    """Write log NB(x) [N] and its gradient in the logits; add that in θ to `by_gene` [G].

    `share` is the softmax; row r has the counts of row r mod `rows` in CSR form (`starts`,
    `genes`, `counts`) and `library` r mod `rows`. `gain` and `rise` [K, G] are `tabulate`'s. From
    the row `start` on gradients go to `slope` [N − `start`, C], before it in the place of shares.
    """
    silence, room = np.empty(dispersion.shape[0], FLOAT), np.empty(share.shape[1], FLOAT)
    space = np.empty((3, dispersion.shape[0]), FLOAT)
    for row in range(first, last):
        own, cell = share[row], row % rows
        to = slope[row - start] if row >= start else room
        here, upto = starts[cell], starts[cell + 1]
        gene, count = genes[here:upto].view(np.uint32), counts[here:upto]
        ratio, steps, rises = space[0, : upto - here], space[1], space[2]
        _zero_counts(own, library[cell], dispersion, inverse, silence, to, by_gene)
        _gathered(own, library[cell], dispersion, gene, count, ratio, steps, rises)
        value = _scattered(dispersion, gene, count, gain, rise, steps, rises, to, by_gene)
        total[row] = value + total_of(ratio) - dot(silence, dispersion)
        if own.shape[0] > dispersion.shape[0]:
            to[dispersion.shape[0]] = FLOAT(0.0)
        pull = total_of(to)
        into = to if row >= start else own
        for c in range(own.shape[0]):
            into[c] = to[c] - pull * own[c]


@njit(**OPTIONS)
def pool(share, weight, group, start, genes, first, last, out):
    """Add the `weight`ed shares of the `genes` first classes to the rows of their groups.

    Groups `first` to `last` are filled; row i of `weight` and `group` is row `start` + i.
    """
    for i in range(group.shape[0]):
        if first <= group[i] < last:
            own, to, w = share[start + i], out[group[i]], weight[i]
            for g in range(genes):
                to[g] += w * own[g]


@njit(**OPTIONS)
def backward(share, slope, scale, pooled, weight, group, first, last, out):
    """Write the gradient in the logits of pooled rows.

    The first of them are those of `slope`, `likelihood`'s gradient, row r of it counts
    `scale[r]`; `pooled` [P, G] is the gradient in the pooled shares. `out` may be `share`.
    """
    for row in range(first, last):
        own, w, down = share[row], weight[row], pooled[group[row]]
        centre = dot(own, down)
        if row < slope.shape[0]:
            _both(out[row], own, down, centre, w, scale[row], slope[row])
        else:
            _pooled(out[row], own, down, centre, w)


@njit(**OPTIONS)
def _pooled(to, own, down, centre, w):
    for g in range(down.shape[0]):
        to[g] = w * own[g] * (down[g] - centre)
    for c in range(down.shape[0], own.shape[0]):
        to[c] = -w * own[c] * centre


@njit(**OPTIONS)
def _both(to, own, down, centre, w, factor, seen):
    for g in range(down.shape[0]):
        to[g] = factor * seen[g] + w * own[g] * (down[g] - centre)
    for c in range(down.shape[0], own.shape[0]):
        to[c] = factor * seen[c] - w * own[c] * centre
