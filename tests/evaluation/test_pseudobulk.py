"""Pseudobulks and their standard errors against brute force and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.evaluation.pseudobulk import (
    count_resolution,
    group_pseudobulk,
    group_standard_error,
    median_library,
    pseudobulk,
    standard_error,
)


def _cells(
    rng: np.random.Generator, cells: int, genes: int
) -> tuple[sparse.csr_matrix, np.ndarray]:
    library = rng.integers(500, 3000, size=cells).astype(float)
    rates = rng.gamma(2.0, 1.0, size=genes)
    rates = rates / rates.sum() * 0.6
    return sparse.csr_matrix(rng.poisson(library[:, None] * rates).astype(np.float32)), library


def test_counts_are_summed_before_the_logarithm() -> None:
    counts, library = _cells(np.random.default_rng(0), 40, 7)
    expected = np.log1p(1234.0 * counts.toarray().sum(0) / library.sum())
    np.testing.assert_allclose(pseudobulk(counts, library, 1234.0), expected, rtol=1e-12)
    mean_of_logs = np.log1p(1234.0 * counts.toarray() / library[:, None]).mean(0)
    assert np.abs(expected - mean_of_logs).max() > 1e-3


def test_groups_equal_one_pseudobulk_each_and_cells_marked_minus_one_are_left_out() -> None:
    counts, library = _cells(np.random.default_rng(1), 60, 5)
    codes = np.arange(60) % 4 - 1
    together = group_pseudobulk(counts, library, codes, 4, 1000.0)
    for group in range(3):
        mask = codes == group
        np.testing.assert_allclose(together[group], pseudobulk(counts[mask], library[mask], 1000.0))
    assert np.isnan(together[3]).all()


def test_a_population_without_counts_is_zero_and_not_nan() -> None:
    empty = sparse.csr_matrix((5, 3), dtype=np.float32)
    np.testing.assert_array_equal(pseudobulk(empty, np.zeros(5), 1000.0), np.zeros(3))


def test_standard_error_is_the_spread_over_repeated_draws() -> None:
    rng = np.random.default_rng(2)
    rates = np.array([0.2, 0.1, 0.05, 0.01, 0.002, 0.0005])
    values, errors = [], []
    for _ in range(600):
        library = rng.integers(500, 3000, size=80).astype(float)
        depth = library[:, None] * rates * rng.gamma(2.0, 0.5, size=(80, 6))
        counts = sparse.csr_matrix(rng.poisson(depth).astype(np.float32))
        values.append(pseudobulk(counts, library, 1500.0))
        errors.append(standard_error(counts, library, 1500.0))
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(values, axis=0), rtol=0.1)


def test_standard_error_equals_the_sum_of_squared_residuals_written_out() -> None:
    counts, library = _cells(np.random.default_rng(3), 25, 4)
    dense = counts.toarray().astype(float)
    ratio = dense.sum(0) / library.sum()
    squares = ((dense - library[:, None] * ratio) ** 2).sum(0) / 24
    expected = 900.0 * np.sqrt(squares / 25) / library.mean() / (1 + 900.0 * ratio)
    np.testing.assert_allclose(standard_error(counts, library, 900.0), expected, rtol=1e-9)
    grouped = group_standard_error(counts, library, np.repeat([0, 1], [24, 1]), 2, 900.0)
    assert np.isfinite(grouped[0]).all()
    assert np.isnan(grouped[1]).all()


def test_the_median_is_over_cells_with_counts_and_refused_without_any() -> None:
    assert median_library(np.array([0.0, 10.0, 30.0, 20.0])) == 20.0
    with pytest.raises(DataError, match="positive library"):
        median_library(np.zeros(3))


def test_resolution_is_the_slope_of_the_pseudobulk_in_one_count() -> None:
    counts, library = _cells(np.random.default_rng(8), 50, 6)
    level = pseudobulk(counts, library, 1000.0)
    sums = counts.toarray().sum(0)
    one_more = np.log1p(1000.0 * (sums + 1.0) / library.sum())
    found = count_resolution(library.sum(), 1000.0, level)
    np.testing.assert_allclose(found, one_more - level, rtol=0.01)
