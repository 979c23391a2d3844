"""Dense rows out of sparse ones and back, each gene written once; numba.

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
def _logs(counts, per_count, start, stop, out):
    for at in range(start, stop):
        out[at] = log1p_of(counts[at] * per_count)


@njit(**OPTIONS)
def expression(starts, genes, counts, per_count, scale, first, last, out):
    """Write log1p(count · `per_count` [B]) · `scale` [G] of each count to `out` [N]."""
    for row in range(first, last):
        _logs(counts, per_count[row], starts[row], starts[row + 1], out)
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
    starts, genes, values, held, silent_starts, silent, centre, first, last,
    context, target, asked, inside,
):  # fmt: skip
    """Write both sides of a mask and which genes are held out, see `Views`; numbers as there.

    `held` [N] marks counts that are held out, `silent` [M] are the genes without a count that
    are, those of row r from `silent_starts[r]` on.
    """
    genes_in_all = FLOAT(centre.shape[0])
    least = FLOAT(1e-3)
    for row in range(first, last):
        seen, hidden, marks = context[row], target[row], asked[row]
        seen[:] = FLOAT(0.0)
        hidden[:] = FLOAT(0.0)
        marks[:] = FLOAT(0.0)
        number = silent_starts[row + 1] - silent_starts[row]
        for at in range(starts[row], starts[row + 1]):
            number += held[at]
        share = FLOAT(number) / genes_in_all
        within = FLOAT(1.0) / FLOAT(math.sqrt(max(FLOAT(1.0) - share, least)))
        without = FLOAT(1.0) / FLOAT(math.sqrt(max(share, least)))
        mark = FLOAT(1.0) / FLOAT(math.sqrt(max(FLOAT(number), FLOAT(1.0))))
        inside[row] = within
        for at in range(starts[row], starts[row + 1]):
            g = genes[at]
            if held[at]:
                seen[g] = centre[g] * within
                hidden[g] = (values[at] - centre[g]) * without
                marks[g] = mark
            else:
                seen[g] = values[at] * within
        for at in range(silent_starts[row], silent_starts[row + 1]):
            g = silent[at]
            seen[g] = centre[g] * within
            hidden[g] = -centre[g] * without
            marks[g] = mark


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
