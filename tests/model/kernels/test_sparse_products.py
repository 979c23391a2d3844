from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random

pytest.importorskip("numba")

from gpjepa.model.kernels import sparse_products

ROWS, PLACES, WIDTH = 30, 70, 5


def made() -> csr_matrix:
    return csr_matrix(
        random(ROWS, PLACES, 0.2, random_state=np.random.default_rng(0), dtype=np.float32)
    )


def test_a_product_is_written_for_its_rows_only() -> None:
    rows, table = made(), np.random.default_rng(1).normal(size=(PLACES, WIDTH)).astype(np.float32)
    out = np.full((ROWS, WIDTH), np.nan, np.float32)
    sparse_products.product(rows.indptr, rows.indices, rows.data, table, 3, 20, out)
    np.testing.assert_allclose(out[3:20], (rows @ table)[3:20], rtol=1e-5, atol=1e-6)
    assert np.isnan(out[:3]).all()
    assert np.isnan(out[20:]).all()


def test_a_table_of_several_stretches_serves_entries_in_any_order() -> None:
    rng = np.random.default_rng(4)
    places, width = 3 * sparse_products.STAY // 500 + 7, 500
    rows = random(9, places, 0.1, format="csr", random_state=rng, dtype=np.float32)
    table, out = rng.normal(size=(places, width)).astype(np.float32), np.empty((9, width), "f4")
    for row in range(0, 9, 2):
        own = slice(rows.indptr[row], rows.indptr[row + 1])
        order = rng.permutation(own.stop - own.start)
        rows.indices[own], rows.data[own] = rows.indices[own][order], rows.data[own][order]
    sparse_products.product(rows.indptr, rows.indices, rows.data, table, 0, 9, out)
    np.testing.assert_allclose(out, rows.toarray() @ table, rtol=1e-4, atol=1e-5)


def test_turned_rows_are_scipys_columns() -> None:
    rows, stops = made(), np.zeros(PLACES + 1, np.int64)
    own, values = np.empty(rows.nnz, np.int32), np.empty(rows.nnz, np.float32)
    sparse_products.turned(rows.indptr, rows.indices, rows.data, stops, own, values)
    expected = rows.tocsc()
    np.testing.assert_array_equal(stops, expected.indptr)
    np.testing.assert_array_equal(own, expected.indices)
    np.testing.assert_array_equal(values, expected.data)


def test_slopes_are_written_in_their_rows_only() -> None:
    rng, rows = np.random.default_rng(2), made()
    by_gene = rows.tocsc()
    down, centre, off = (rng.normal(size=n).astype(np.float32) for n in ((ROWS, 19), PLACES, 19))
    out = np.full((PLACES, 19), np.nan, np.float32)
    given = (by_gene.indptr, by_gene.indices, by_gene.data, down, centre, off)
    sparse_products.slopes(*given, 5, 50, out)
    expected = rows.T @ down - centre[:, None] * off
    np.testing.assert_allclose(out[5:50], expected[5:50], rtol=1e-5, atol=1e-5)
    assert np.isnan(out[:5]).all()
    assert np.isnan(out[50:]).all()
