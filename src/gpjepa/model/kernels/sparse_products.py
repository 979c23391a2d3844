"""Products of sparse rows with a dense table, eight entries at a time; numba.

Rows are in CSR form: `starts` [B + 1], `places` [N] in the table and `values` [N]. Eight rows of
the table are added to a row of the result at once, so that this is read and written for eight
entries once. Single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

FLOAT = np.float32
STAY = 2**16  # numbers of a table, a quarter of a megabyte
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(fastmath=True, **OPTIONS)
def _add_eight(to, table, places, values, at):
    a, b, c, d = (
        table[places[at]], table[places[at + 1]], table[places[at + 2]], table[places[at + 3]]
    )  # fmt: skip
    e, f, g, h = (
        table[places[at + 4]], table[places[at + 5]], table[places[at + 6]], table[places[at + 7]]
    )  # fmt: skip
    p, q, r, s = values[at], values[at + 1], values[at + 2], values[at + 3]
    t, u, v, w = values[at + 4], values[at + 5], values[at + 6], values[at + 7]
    for i in range(to.shape[0]):
        left = (p * a[i] + q * b[i]) + (r * c[i] + s * d[i])
        right = (t * e[i] + u * f[i]) + (v * g[i] + w * h[i])
        to[i] += left + right


@njit(**OPTIONS)
def _add(to, table, places, values, at, stop):
    """Add the entries from `at` to `stop`."""
    while at + 8 <= stop:
        _add_eight(to, table, places, values, at)
        at += 8
    while at < stop:
        own, value = table[places[at]], values[at]
        for i in range(to.shape[0]):
            to[i] += value * own[i]
        at += 1


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
            while here + 8 <= end and (final or places[here] < stop):
                _add_eight(out[row], table, places, values, here)
                here += 8
            at[row - first] = here
    for row in range(first, last):
        _add(out[row], table, places, values, at[row - first], starts[row + 1])


@njit(**OPTIONS)
def slopes(starts, cells, values, down, centre, off, first, last, out):
    """Write rows `first` to `last` of `out` [G, H]: Σ value · `down`[cell] − `centre` · `off`.

    Entries are given gene by gene; `down` [B, H], `centre` [G], `off` [H].
    """
    for gene in range(first, last):
        to = out[gene]
        for i in range(off.shape[0]):
            to[i] = -centre[gene] * off[i]
        _add(to, down, cells, values, starts[gene], starts[gene + 1])


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
