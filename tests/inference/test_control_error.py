from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from gpjepa.inference.cells import CellTable
from gpjepa.inference.control_error import MOST, TAKEN_OFF, rate_factors, share_known

RATE = np.array([50.0, 5.0, 0.5])
CELLS = 40


def controls(rate: np.ndarray = RATE) -> CellTable:
    counts = np.random.default_rng(0).poisson(rate, size=(CELLS, len(rate)))
    return CellTable(csr_matrix(counts.astype(np.float32)), np.full(CELLS, 100.0))


def level(table: CellTable, target: float = 100.0) -> np.ndarray:
    return np.log1p(np.asarray(table.counts.sum(axis=0)).ravel() * target / table.library.sum())


def test_half_of_the_error_goes_off_the_pseudobulk() -> None:
    table, shared = controls(), np.array([0.2, -0.3, 0.0])
    changed = np.expm1(level(table)) * rate_factors(table, shared, 100.0)
    moved = np.log1p(changed) - level(table)
    assert moved == pytest.approx(TAKEN_OFF * shared, abs=0.01)
    assert moved[2] == 0.0


def test_nothing_is_taken_off_cells_that_effects_were_not_measured_against() -> None:
    shared = np.array([0.2, -0.3, 0.1])
    assert np.array_equal(rate_factors(controls(), shared, 100.0, known=0.0), np.ones(3))
    half, whole = (rate_factors(controls(), shared, 100.0, known) for known in (0.5, 1.0))
    assert np.all(np.abs(np.log(half)) < np.abs(np.log(whole)))


def test_genes_without_counts_and_absurd_errors_have_finite_factors() -> None:
    silent = controls(np.array([0.0, 5.0, 5.0]))
    factors = rate_factors(silent, np.array([5.0, 9.0, -9.0]), 100.0)
    assert factors == pytest.approx([MOST, MOST, 1 / MOST])
    assert rate_factors(silent, np.array([-1.0, 0.0, 0.0]), 100.0)[0] == 1.0


def test_cells_are_known_by_name_and_library() -> None:
    names, library = np.array(["a", "b", "c", "d"], dtype=object), np.array([1.0, 2.0, 3.0, 4.0])
    assert share_known(names, library, names, library) == 1.0
    assert share_known(names[:2], library[:2], names, library) == 0.5  # half of them
    assert share_known(names, library, names[1:], library[1:]) == 0.75  # and another
    assert share_known(names, library[::-1], names, library) == 0.0
    assert share_known(names[:0], library[:0], names, library) == 0.0
