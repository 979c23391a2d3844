from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gpjepa.data.faults import are_counts, fault_of, type_fault


def halves(matrix: sparse.csr_matrix):
    return lambda: [(0, matrix[:5]), (5, matrix[5:])]


@pytest.mark.parametrize(
    ("values", "found", "fatal"),
    [
        ([np.nan, np.inf], "has 2 values NaN or infinite", True),
        ([-1.0, 2.0], "has 1 value negative", True),
        ([2.0**25, 1.0], "has counts above", True),
        ([0.5, 1.0], "looks log-normalised", False),
        ([-0.5, 1.0], "looks scaled", False),
        ([50.5, 1.0], "looks normalised", False),
    ],
)
def test_faults_are_found_over_chunks(values: list[float], found: str, fatal: bool) -> None:
    rng = np.random.default_rng(0)
    dense = rng.poisson(2.0, (10, 4)).astype(np.float64) + 1.0
    dense[7, 1], dense[8, 3] = values
    matrix = sparse.csr_matrix(dense)
    names = [f"c{row}" for row in range(10)], list("abcd")
    fault = fault_of(halves(matrix), *names)
    assert fault is not None
    assert fault.found.startswith(found)
    assert "in cell 'c7', gene 'b'" in fault.found
    assert fault.fatal == fatal
    assert fault == fault_of(lambda: [(0, matrix)], *names)


def test_counts_have_no_fault() -> None:
    matrix = sparse.csr_matrix(np.arange(40.0).reshape(10, 4))
    assert fault_of(halves(matrix), range(10), range(4)) is None
    assert are_counts(np.array([0, 3], dtype=np.int64))
    assert not are_counts(np.array([0.0, np.nan]))


def test_a_type_without_numbers_is_a_fault() -> None:
    assert type_fault(np.dtype(np.float32)) is None
    assert type_fault(np.dtype(bool)) is None
    assert "holds values of type" in str(type_fault(np.dtype(object)))
