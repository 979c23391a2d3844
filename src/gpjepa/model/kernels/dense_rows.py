"""Sparse rows made dense and back, and both sides of their masks, each gene written once; numba.

Cells are rows in CSR form: `starts` [B + 1] and `genes` [N]. Single precision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.maths import log1p_of

FLOAT = np.float32
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _logs(counts, per_count, out):
    for i in range(counts.shape[0]):
        out[i] = log1p_of(counts[i] * per_count)


@njit(**OPTIONS)
def expression(starts, genes, counts, per_count, scale, first, last, out):
    """Write log1p(count · `per_count` [B]) · `scale` [G] of each count to `out` [N]."""
    for row in range(first, last):
        own = slice(starts[row], starts[row + 1])  # indices from 0 are known to be none below
        _logs(counts[own], per_count[row], out[own])
    for at in range(starts[first], starts[last]):
        out[at] *= scale[genes[at]]


@njit(**OPTIONS)
def spread(starts, genes, values, first, last, out):
    """Write `values` [N] to their genes in the rows of `out` [B, G], and zeros elsewhere."""
    for row in range(first, last):
        to = out[row]
        to[:] = FLOAT(0.0)
        for at in range(starts[row], starts[row + 1]):
            to[genes[at]] = values[at]


@njit(**OPTIONS)
def sides(
    starts, genes, values, held, silent_starts, silent, hidden_starts, centre, first, last,
    seen, seen_values, hidden, hidden_values, marks, inside,
):  # fmt: skip
    """Write both sides of a mask and which genes are held out, see `Views`; numbers as there.

    `held` [N] marks counts that are held out, `silent` [M] are the genes without a count that
    are, those of row r from `silent_starts[r]` on. The genes of `seen` and `seen_values` [N + M]
    of a row begin at the sum of its starts, those of `hidden`, `hidden_values` and `marks` at its
    `hidden_starts`.
    """
    genes_in_all = FLOAT(centre.shape[0])
    least = FLOAT(1e-3)
    for row in range(first, last):
        at, to = starts[row] + silent_starts[row], hidden_starts[row]
        number = hidden_starts[row + 1] - to
        share = FLOAT(number) / genes_in_all
        within = FLOAT(1.0) / FLOAT(math.sqrt(max(FLOAT(1.0) - share, least)))
        without = FLOAT(1.0) / FLOAT(math.sqrt(max(share, least)))
        inside[row] = within
        marks[to : to + number] = FLOAT(1.0) / FLOAT(math.sqrt(max(FLOAT(number), FLOAT(1.0))))
        for i in range(starts[row], starts[row + 1]):
            g = genes[i]
            seen[at] = g
            seen_values[at] = (centre[g] if held[i] else values[i]) * within
            at += 1
            if held[i]:
                hidden[to], hidden_values[to] = g, (values[i] - centre[g]) * without
                to += 1
        for i in range(silent_starts[row], silent_starts[row + 1]):
            g = silent[i]
            seen[at], seen_values[at] = g, centre[g] * within
            hidden[to], hidden_values[to] = g, -centre[g] * without
            at += 1
            to += 1


@njit(**OPTIONS)
def filled(dense, first, last, number):
    """Write how many entries of each row are not zero."""
    for row in range(first, last):
        found = 0
        for g in range(dense.shape[1]):
            found += dense[row, g] != 0.0
        number[row] = found


@njit(**OPTIONS)
def compact(dense, starts, first, last, genes, values):
    """Write the entries that are not zero, row by row from `starts` on."""
    for row in range(first, last):
        at = starts[row]
        for g in range(dense.shape[1]):
            if dense[row, g] != 0.0:
                genes[at] = g
                values[at] = dense[row, g]
                at += 1
