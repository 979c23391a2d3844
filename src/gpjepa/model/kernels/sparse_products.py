"""Products of sparse rows with a dense table, summed in registers; numba.

Rows are in CSR form: `starts` [B + 1], `places` [N] in the table and `values` [N]. Single
precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from gpjepa.model.kernels.vectors import LANES, WIDE, add_narrow, add_wide

FLOAT = np.float32
STAY = 2**16  # numbers of a table, a quarter of a megabyte
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _add(out, row, table, places, values, at, stop):
    """Add the entries from `at` to `stop` to a row of `out`."""
    column, width = 0, table.shape[1]
    while column + WIDE * LANES <= width:
        add_wide(out, row, column, table, places, values, at, stop)
        column += WIDE * LANES
    while column + LANES <= width:
        add_narrow(out, row, column, table, places, values, at, stop)
        column += LANES
    for c in range(column, width):
        for entry in range(at, stop):
            out[row, c] += values[entry] * table[places[entry], c]


@njit(**OPTIONS)
def product(starts, places, values, table, first, last, out):
    """Write Σ value · `table`[place] of rows `first` to `last` to those of `out` [B, H].

    Stretches of the table that stay in the second cache are gone over by all rows in turn. Entries
    may be in any order; it is fastest where they are in that of their places.
    """
    at = starts[first:last].copy()
    out[first:last, :] = FLOAT(0.0)
    stretch = max(1, STAY // table.shape[1])
    for stop in range(stretch, table.shape[0] + stretch, stretch):
        final = stop >= table.shape[0]
        for row in range(first, last):
            here, end = at[row - first], starts[row + 1]
            upto = end if final else here
            while upto < end and places[upto] < stop:
                upto += 1
            _add(out, row, table, places, values, here, upto)
            at[row - first] = upto


@njit(**OPTIONS)
def slopes(starts, cells, values, down, centre, off, first, last, out):
    """Write rows `first` to `last` of `out` [G, H]: Σ value · `down`[cell] − `centre` · `off`.

    Entries are given gene by gene; `down` [B, H], `centre` [G], `off` [H].
    """
    for gene in range(first, last):
        for i in range(off.shape[0]):
            out[gene, i] = -centre[gene] * off[i]
        _add(out, gene, down, cells, values, starts[gene], starts[gene + 1])


@njit(**OPTIONS)
def turned(starts, places, values, stops, rows, turned_values):
    """Write the same entries by place: those of place g end at `stops`[g + 1], in order of rows.

    `stops` [G + 1] is given as zeros.
    """
    for at in range(starts[0], starts[-1]):
        stops[places[at] + 1] += 1
    free = np.empty(stops.shape[0], np.int64)
    for place in range(stops.shape[0] - 1):
        free[place] = stops[place]
        stops[place + 1] += stops[place]
    for row in range(starts.shape[0] - 1):
        for at in range(starts[row], starts[row + 1]):
            to = free[places[at]]
            free[places[at]] = to + 1
            rows[to], turned_values[to] = row, values[at]
