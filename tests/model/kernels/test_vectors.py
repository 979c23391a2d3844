from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

from gpjepa.model.kernels.vectors import LANES, WIDE, add_narrow, add_wide

ROWS, ENTRIES = 9, 21


@njit
def wide(out, row, column, table, places, values, first, stop):
    add_wide(out, row, column, table, places, values, first, stop)


@njit
def narrow(out, row, column, table, places, values, first, stop):
    add_narrow(out, row, column, table, places, values, first, stop)


@pytest.mark.parametrize("places_kind", [np.int32, np.int64])
@pytest.mark.parametrize(("add", "lanes"), [(wide, WIDE * LANES), (narrow, LANES)])
@pytest.mark.parametrize(("first", "stop"), [(0, ENTRIES), (3, 4), (5, 5), (7, 3)])
def test_entries_are_added_to_their_columns_of_a_row_alone(
    add, lanes: int, first: int, stop: int, places_kind: type
) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(ROWS, lanes + 7)).astype(np.float32)
    out = rng.normal(size=(4, lanes + 5)).astype(np.float32)
    places = rng.integers(0, ROWS, ENTRIES).astype(places_kind)
    values = rng.normal(size=ENTRIES).astype(np.float32)
    expected = out.astype(np.float64)
    for entry in range(first, stop):
        expected[2, 3 : 3 + lanes] += float(values[entry]) * table[places[entry], 3 : 3 + lanes]
    kept = out.copy()
    add(out, 2, 3, table, places, values, first, stop)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    outside = np.ones_like(out, dtype=bool)
    outside[2, 3 : 3 + lanes] = False
    assert np.array_equal(out[outside], kept[outside])
