"""Pseudobulks: the one definition of expression that every effect is measured in."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from gpjepa.core.errors import DataError


def median_library(library: np.ndarray) -> float:
    """Return the median of the positive libraries, in counts: the target of every pseudobulk.

    Raises:
        DataError: no library is positive.
    """
    library = np.asarray(library, dtype=np.float64)
    positive = library[library > 0]
    if not positive.size:
        raise DataError(
            f"found {library.size} control cells without a single count; expected cells with "
            "a positive library; check the control label and the count layer"
        )
    return float(np.median(positive))


def pseudobulk(counts: sparse.csr_matrix, library: np.ndarray, target: float) -> np.ndarray:
    """Return log1p(target · Σ counts / Σ library) over all cells, float64 [G].

    Counts are summed before the logarithm is taken; a population without any count is zero.
    """
    codes = np.zeros(counts.shape[0], dtype=np.int64)
    return group_pseudobulk(counts, library, codes, 1, target)[0]


def group_pseudobulk(
    counts: sparse.csr_matrix, library: np.ndarray, codes: np.ndarray, groups: int, target: float
) -> np.ndarray:
    """Return the pseudobulk of each group of cells, float64 [groups, G].

    `codes` [B] gives a cell's group, -1 leaves it out. An empty group is NaN.
    """
    members = _membership(codes, groups)
    return np.log1p(target * _ratio(counts, np.asarray(library, dtype=np.float64), members))


def standard_error(counts: sparse.csr_matrix, library: np.ndarray, target: float) -> np.ndarray:
    """Return the standard error of `pseudobulk` over cells, log1p units, float64 [G]."""
    codes = np.zeros(counts.shape[0], dtype=np.int64)
    return group_standard_error(counts, library, codes, 1, target)[0]


def group_standard_error(
    counts: sparse.csr_matrix, library: np.ndarray, codes: np.ndarray, groups: int, target: float
) -> np.ndarray:
    """Return the standard error of each group's pseudobulk, log1p units, float64 [groups, G].

    Delta method for the ratio R = Σc / Σl of n cells:
    Var R = Σ(c − R l)² / ((n − 1) · n · l̄²) and SE log1p(T R) = T · √Var R / (1 + T R).
    A group of fewer than two cells is NaN.

    Source: Cochran, Sampling Techniques (1977), section 6.3.
    """
    members = _membership(codes, groups)
    library = np.asarray(library, dtype=np.float64)
    ratio = _ratio(counts, library, members)
    squares = counts.astype(np.float64).power(2)
    cross = np.asarray((members @ sparse.diags(library) @ counts).todense())
    residual = (
        np.asarray((members @ squares).todense())
        - 2.0 * ratio * cross
        + ratio**2 * (members @ library**2)[:, None]
    )
    size = np.asarray(members.sum(axis=1)).ravel()[:, None]
    total = (members @ library)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum(residual, 0.0) * size / (size - 1.0) / total**2
    variance[(size < 2).ravel()] = np.nan
    return target * np.sqrt(variance) / (1.0 + target * ratio)


def count_resolution(total: np.ndarray | float, target: float, level: np.ndarray) -> np.ndarray:
    """Return what one count more would change in pseudobulks at `level`, log1p units.

    `total` is the sum of the libraries of the cells. A gene without a count is not known better.
    """
    return target / np.maximum(total, 1.0) / np.exp(level)


def _membership(codes: np.ndarray, groups: int) -> sparse.csr_matrix:
    codes = np.asarray(codes, dtype=np.int64)
    cells = np.flatnonzero(codes >= 0)
    entries = (np.ones(cells.size), (codes[cells], cells))
    return sparse.csr_matrix(entries, shape=(groups, codes.size))


def _ratio(
    counts: sparse.csr_matrix, library: np.ndarray, members: sparse.csr_matrix
) -> np.ndarray:
    """Return Σ counts / Σ library per group; 0 without counts, NaN without cells."""
    sums = np.asarray((members @ counts).todense(), dtype=np.float64)
    totals = members @ library
    ratio = sums / np.where(totals > 0, totals, 1.0)[:, None]
    ratio[np.asarray(members.sum(axis=1)).ravel() == 0] = np.nan
    return ratio
