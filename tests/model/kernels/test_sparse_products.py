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


def test_turned_rows_are_scipys_columns() -> None:
    rows, stops = made(), np.zeros(PLACES + 1, np.int64)
    own, values = np.empty(rows.nnz, np.int32), np.empty(rows.nnz, np.float32)
    sparse_products.turned(rows.indptr, rows.indices, rows.data, stops, own, values)
    expected = rows.tocsc()
    np.testing.assert_array_equal(stops, expected.indptr)
    np.testing.assert_array_equal(own, expected.indices)
    np.testing.assert_array_equal(values, expected.data)
