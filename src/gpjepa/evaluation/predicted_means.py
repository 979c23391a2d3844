"""Predicted means of expression, for models that predict no cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.anndata_io import unique_names
from gpjepa.data.counts import to_csr
from gpjepa.data.labels import CONTROL_NAMES
from gpjepa.data.roles import PERTURBATION_COLUMNS
from gpjepa.evaluation.population import Population
from gpjepa.evaluation.prediction import Prediction, read_labels

if TYPE_CHECKING:
    from anndata import AnnData

    from gpjepa.evaluation.request import Values

HIGHEST_LOG = 30.0  # beyond it a value is no logarithm of expression


def read_means(
    adata: AnnData,
    values: Values,
    columns: Sequence[str] = PERTURBATION_COLUMNS,
    controls: Collection[str] = CONTROL_NAMES,
    known: Collection[str] | None = None,
) -> Prediction:
    """Read X as predicted means, one or more rows a perturbation.

    "mean counts" are expected counts per cell: rows are summed, and divided by the sum over all
    genes. "log1p" are log1p of normalised expression to any total: each row is exponentiated and
    divided by its sum, and rows weigh alike. Either way a perturbation's state is its share of
    counts, as a pseudobulk is. Negative values are taken as 0, which a note tells. A value that is
    not finite spoils its perturbation, as does a row without any expression.

    Raises:
        DataError: no label column, missing labels, no matrix, or values too large for logarithms.
    """
    labels = read_labels(adata, columns, controls, known)
    if adata.X is None:
        raise DataError(
            f"the predicted cells have no X; expected {values} in X; put the predicted means there"
        )
    matrix = to_csr(adata.X).astype(np.float64)
    lost = _rows(matrix, ~np.isfinite(matrix.data))
    matrix.data[~np.isfinite(matrix.data)] = 0.0
    negative = matrix.data < 0
    notes: tuple[str, ...] = (f"predictions are {values}: only metrics of means are computed",)
    if negative.any():
        notes += (f"{int(negative.sum())} negative predicted values are taken as 0",)
        matrix.data[negative] = 0.0
    if values == "log1p":
        matrix = _exponentiated(matrix)
    library = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    spoiled = frozenset(labels[lost | (library <= 0)].tolist())
    if values == "log1p":
        scale = 1.0 / np.where(library > 0, library, 1.0)
        matrix, library = sparse.csr_matrix(sparse.diags(scale) @ matrix), np.ones(len(labels))
    genes = unique_names(adata.var_names, "gene")
    return Prediction(Population(matrix, library, labels), genes, None, spoiled, False, notes)


def _rows(matrix: sparse.csr_matrix, bad: np.ndarray) -> np.ndarray:
    """Return which rows hold a marked entry, [B]."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.bincount(rows[bad], minlength=matrix.shape[0]) > 0


def _exponentiated(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    highest = float(matrix.data.max(initial=0.0))
    if highest > HIGHEST_LOG:
        raise DataError(
            f"the predicted values reach {highest:g}; expected log1p of expression, below "
            f"{HIGHEST_LOG:g}; pass values='mean counts' (--values) or take log1p"
        )
    return sparse.csr_matrix((np.expm1(matrix.data), matrix.indices, matrix.indptr), matrix.shape)
