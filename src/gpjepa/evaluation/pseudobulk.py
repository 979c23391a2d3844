"""Pseudobulks: the one definition of expression that every effect is measured in."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.disk_counts import Counts

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


def pseudobulk(counts: Counts, library: np.ndarray, target: float) -> np.ndarray:
    """Return log1p(target · Σ counts / Σ library) over all cells, float64 [G].

    Counts are summed before the logarithm is taken; a population without any count is zero.
    """
    codes = np.zeros(counts.shape[0], dtype=np.int64)
    return group_pseudobulk(counts, library, codes, 1, target)[0]


def group_pseudobulk(
    counts: Counts, library: np.ndarray, codes: np.ndarray, groups: int, target: float
) -> np.ndarray:
    """Return the pseudobulk of each group of cells, float64 [groups, G].

    `codes` [B] gives a cell's group, -1 leaves it out. An empty group is NaN.
    """
    (sums,) = _group_sums(counts, codes, groups)
    return np.log1p(target * _ratio(sums, _per_group(codes, groups, library), codes, groups))


def standard_error(counts: Counts, library: np.ndarray, target: float) -> np.ndarray:
    """Return the standard error of `pseudobulk` over cells, log1p units, float64 [G]."""
    codes = np.zeros(counts.shape[0], dtype=np.int64)
    return group_standard_error(counts, library, codes, 1, target)[0]


def group_standard_error(
    counts: Counts, library: np.ndarray, codes: np.ndarray, groups: int, target: float
) -> np.ndarray:
    """Return the standard error of each group's pseudobulk, log1p units, float64 [groups, G].

    Delta method for the ratio R = Σc / Σl of n cells:
    Var R = Σ(c − R l)² / ((n − 1) · n · l̄²) and SE log1p(T R) = T · √Var R / (1 + T R).
    A group of fewer than two cells is NaN.

    Source: Cochran, Sampling Techniques (1977), section 6.3.
    """
    return group_estimate(counts, library, codes, groups, target)[1]


def group_estimate(
    counts: Counts, library: np.ndarray, codes: np.ndarray, groups: int, target: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return `group_pseudobulk` and `group_standard_error` from one pass over the cells."""
    library = np.asarray(library, dtype=np.float64)
    sums, squares, weighted = _group_sums(counts, codes, groups, library)
    total = _per_group(codes, groups, library)
    ratio = _ratio(sums, total, codes, groups)
    residual = (
        squares - 2.0 * ratio * weighted + ratio**2 * _per_group(codes, groups, library**2)[:, None]
    )
    size, total = _per_group(codes, groups)[:, None], total[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum(residual, 0.0) * size / (size - 1.0) / total**2
    variance[(size < 2).ravel()] = np.nan
    return np.log1p(target * ratio), target * np.sqrt(variance) / (1.0 + target * ratio)


def count_resolution(total: np.ndarray | float, target: float, level: np.ndarray) -> np.ndarray:
    """Return what one count more would change in pseudobulks at `level`, log1p units.

    `total` is the sum of the libraries of the cells. A gene without a count is not known better.
    """
    return target / np.maximum(total, 1.0) / np.exp(level)


def _group_sums(
    counts: Counts, codes: np.ndarray, groups: int, library: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Return sums of counts over the cells of each group, float64 [groups, G].

    With `library` [B] also the sums of squares, and of counts times library. A block of cells at
    a time, so that no copy of the counts is made; cells of no group are not looked at.
    """
    genes, codes = counts.shape[1], np.asarray(codes)
    size = groups * genes
    totals = [np.zeros(size) for _ in range(1 if library is None else 3)]
    block = max(BLOCK, (size + genes) * codes.size // max(counts.nnz, 1))  # as many entries as sums
    for start in range(0, codes.size, block):
        cells = start + np.flatnonzero(codes[start : start + block] >= 0)
        part = _rows(counts, cells)
        lengths, values = np.diff(part.indptr), part.data.astype(np.float64)
        key = np.repeat(codes[cells].astype(np.int64) * genes, lengths) + part.indices
        totals[0] += np.bincount(key, weights=values, minlength=size)
        if library is not None:
            totals[1] += np.bincount(key, weights=values * values, minlength=size)
            values *= np.repeat(library[cells], lengths)
            totals[2] += np.bincount(key, weights=values, minlength=size)
    return tuple(total.reshape(groups, genes) for total in totals)


def _rows(counts: Counts, cells: np.ndarray) -> sparse.csr_matrix:
    """Return the counts of ascending cells; a whole block is a slice."""
    whole = len(cells) and cells[-1] - cells[0] + 1 == len(cells)
    return counts[cells[0] : cells[-1] + 1] if whole else counts[cells]


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
