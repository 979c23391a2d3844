"""Pseudobulks: the one definition of expression that every effect is measured in."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from gpjepa.core.errors import DataError

BLOCK = 2000  # cells that are summed at once, or more


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
    sums = _group_sums(counts, codes, groups)
    return np.log1p(target * _ratio(sums, _per_group(codes, groups, library), codes, groups))


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
    library = np.asarray(library, dtype=np.float64)
    sums, total = _group_sums(counts, codes, groups), _per_group(codes, groups, library)
    ratio = _ratio(sums, total, codes, groups)
    residual = (
        _group_sums(counts, codes, groups, squared=True)
        - 2.0 * ratio * _group_sums(counts, codes, groups, weights=library)
        + ratio**2 * _per_group(codes, groups, library**2)[:, None]
    )
    size, total = _per_group(codes, groups)[:, None], total[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum(residual, 0.0) * size / (size - 1.0) / total**2
    variance[(size < 2).ravel()] = np.nan
    return target * np.sqrt(variance) / (1.0 + target * ratio)


def count_resolution(total: np.ndarray | float, target: float, level: np.ndarray) -> np.ndarray:
    """Return what one count more would change in pseudobulks at `level`, log1p units.

    `total` is the sum of the libraries of the cells. A gene without a count is not known better.
    """
    return target / np.maximum(total, 1.0) / np.exp(level)


def _group_sums(
    counts: sparse.csr_matrix,
    codes: np.ndarray,
    groups: int,
    weights: np.ndarray | None = None,
    squared: bool = False,
) -> np.ndarray:
    """Return sums of counts or their squares over the cells of each group, float64 [groups, G].

    `weights` [B] multiplies each cell. A block of cells at a time, so that no copy of the counts
    is made; cells of no group are summed apart and dropped.
    """
    genes = counts.shape[1]
    rows = np.where(np.asarray(codes) < 0, groups, codes).astype(np.int64) * genes
    total = np.zeros((groups + 1) * genes)
    block = max(BLOCK, total.size * rows.size // max(counts.nnz, 1))  # as many entries as sums
    for start in range(0, rows.size, block):
        cells = slice(start, min(start + block, rows.size))
        bounds = counts.indptr[start : cells.stop + 1]
        entries, lengths = slice(bounds[0], bounds[-1]), np.diff(bounds)
        values = counts.data[entries].astype(np.float64)
        values = values * values if squared else values
        if weights is not None:
            values *= np.repeat(weights[cells], lengths)
        key = np.repeat(rows[cells], lengths) + counts.indices[entries]
        total += np.bincount(key, weights=values, minlength=total.size)
    return total.reshape(groups + 1, genes)[:groups]


def _per_group(codes: np.ndarray, groups: int, values: np.ndarray | None = None) -> np.ndarray:
    """Return the sum of a value over the cells of each group, or their number, [groups]."""
    kept = np.asarray(codes) >= 0
    weights = None if values is None else np.asarray(values, dtype=np.float64)[kept]
    return np.bincount(np.asarray(codes)[kept], weights=weights, minlength=groups)


def _ratio(sums: np.ndarray, totals: np.ndarray, codes: np.ndarray, groups: int) -> np.ndarray:
    """Return Σ counts / Σ library per group; 0 without counts, NaN without cells."""
    ratio = sums / np.where(totals > 0, totals, 1.0)[:, None]
    ratio[_per_group(codes, groups) == 0] = np.nan
    return ratio
