"""Which cells and genes are modelled: decided on training cells, so that no test cell counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.cells import row_indices
from gpjepa.data.disk_counts import Counts, DiskCounts, chunks, taken
from gpjepa.data.labels import symbol_of
from gpjepa.data.library import panel_sums
from gpjepa.data.perturbseq import PerturbSeq

MIN_CELLS = 3  # training cells that a gene must be seen in


def cells_with_counts(
    data: PerturbSeq, cells: NDArray[np.generic], min_counts: int = 1
) -> NDArray[np.int64]:
    """Return those of `cells` (mask or indices) with at least `min_counts` counts in the panel.

    Raises `DataError` when none is left.
    """
    rows = row_indices(cells, data.n_cells)
    kept = rows[panel_sums(taken(data.counts, rows)) >= min_counts]
    if len(kept) == 0:
        raise DataError(
            f"none of {len(rows)} training cells has {min_counts} counts; expected some; lower "
            "data.min_cell_counts or check the counts"
        )
    return kept


def select_genes(
    data: PerturbSeq, train_cells: NDArray[np.generic], n_genes: int | None = None
) -> list[str]:
    """Return the genes to model, in the order of the data.

    Genes seen in fewer than 3 training cells are dropped, then the `n_genes` most variable are
    kept (None: all). Perturbed genes are kept always. Only the counts of `train_cells` (mask or
    indices) are looked at.

    Raises `DataError` when no gene is left.
    """
    counts = taken(data.counts, row_indices(train_cells, data.n_cells))
    cells_with = np.zeros(data.n_genes, dtype=np.int64)
    for _, part in chunks(counts):
        cells_with += np.bincount(part.indices, minlength=data.n_genes)
    seen = cells_with >= MIN_CELLS
    targets = {name for member in data.members for name in (member, symbol_of(member))}
    perturbed = np.isin(data.genes.astype(str), sorted(targets))
    kept = seen | perturbed
    if not seen.any():
        raise DataError(
            f"none of {data.n_genes} genes is seen in {MIN_CELLS} of {counts.shape[0]} training "
            "cells; expected some; check the counts and the split"
        )
    if n_genes is not None and int(kept.sum()) > n_genes:
        score = np.where(seen, standardised_variance(counts), -np.inf)
        score[perturbed] = np.inf
        best = sorted(np.flatnonzero(kept), key=lambda gene: (-score[gene], data.genes[gene]))
        kept = np.zeros(data.n_genes, dtype=bool)
        kept[best[: max(n_genes, int(perturbed.sum()))]] = True
    return [str(gene) for gene in data.genes[kept]]


def standardised_variance(counts: Counts) -> NDArray[np.float64]:
    """Return each gene's variance over that expected at its mean, clipped at √cells deviations.

    The expected variance is a quadratic in log mean, fitted over genes. Constant genes score 0.
    Source: Hafemeister and Satija 2019 and Stuart et al. 2019 (Seurat v3), with the quadratic in
    place of a local regression. Counts on disk are summed exactly, in memory in double precision:
    genes that are equal to the last digit may be ranked otherwise.
    """
    n = counts.shape[0]
    score = np.zeros(counts.shape[1])
    if n < 2:
        return score
    if isinstance(counts, DiskCounts):
        return _from_sums(counts)
    values = sparse.csc_matrix(counts, dtype=np.float64)
    mean = np.asarray(values.mean(axis=0)).ravel()
    square = np.asarray(values.multiply(values).mean(axis=0)).ravel()
    variance = np.maximum(square - mean**2, 0.0) * n / (n - 1)
    varies = variance > 1e-12
    if not varies.any():
        return score
    expected = _expected_deviation(mean, variance, varies)
    ceiling = mean + np.sqrt(n) * expected
    clipped = values.copy()
    clipped.data = np.minimum(clipped.data, np.repeat(ceiling, np.diff(values.indptr)))
    total = np.asarray(clipped.sum(axis=0)).ravel()
    squares = np.asarray(clipped.multiply(clipped).sum(axis=0)).ravel()
    spread = squares - 2 * mean * total + n * mean**2
    score[varies] = spread[varies] / ((n - 1) * expected[varies] ** 2)
    return score


def _expected_deviation(
    mean: NDArray[np.float64], variance: NDArray[np.float64], varies: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the standard deviation that the trend over genes expects at each mean."""
    degree = min(2, len(np.unique(mean[varies])) - 1)
    log_mean = np.log10(mean[varies])
    trend = np.polynomial.Polynomial.fit(log_mean, np.log10(variance[varies]), degree)
    expected = np.ones_like(mean)
    expected[varies] = 10.0 ** (trend(log_mean) / 2)
    return expected


def _from_sums(counts: DiskCounts) -> NDArray[np.float64]:
    """Return the standardised variance in two passes over counts on disk."""
    n, genes = counts.shape
    score, total, square = (np.zeros(genes) for _ in range(3))
    for _, part in counts.chunks():
        wide = part.data.astype(np.float64)
        total += np.bincount(part.indices, wide, genes)
        square += np.bincount(part.indices, wide**2, genes)
    mean = total / n
    variance = np.maximum(square / n - mean**2, 0.0) * n / (n - 1)
    varies = variance > 1e-12
    if not varies.any():
        return score
    expected = _expected_deviation(mean, variance, varies)
    ceiling = mean + np.sqrt(n) * expected
    total[:], square[:] = 0.0, 0.0
    for _, part in counts.chunks():
        clipped = np.minimum(part.data.astype(np.float64), ceiling[part.indices])
        total += np.bincount(part.indices, clipped, genes)
        square += np.bincount(part.indices, clipped**2, genes)
    spread = square - 2 * mean * total + n * mean**2
    score[varies] = spread[varies] / ((n - 1) * expected[varies] ** 2)
    return score
