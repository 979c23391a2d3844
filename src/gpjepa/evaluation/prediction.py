"""Predicted cells out of anyone's AnnData: real counts, labels, and where NaN spoils them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.counts import genes_at, raw_counts, to_csr
from gpjepa.data.labels import CONTROL_NAMES, parse_label
from gpjepa.data.roles import LIBRARY_COLUMNS, PERTURBATION_COLUMNS
from gpjepa.evaluation.population import Population

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted cells, their genes, and the labels that a NaN has spoiled.

    `totals` [B] are the cells' totals from obs where they go beyond the panel, else None; the
    library of `cells` is the panel sum. `counted` is False for predicted means, which are no
    cells; `notes` says what a reader of the scores must know.
    """

    cells: Population
    genes: np.ndarray
    totals: np.ndarray | None
    spoiled: frozenset[str]
    counted: bool = True
    notes: tuple[str, ...] = ()


def read_prediction(
    adata: AnnData,
    columns: Sequence[str] = PERTURBATION_COLUMNS,
    total_columns: Sequence[str] = LIBRARY_COLUMNS,
    controls: Collection[str] = CONTROL_NAMES,
    known: Collection[str] | None = None,
) -> Prediction:
    """Read predicted cells; the first of `columns` that obs has holds the perturbations.

    A NaN or infinity among the counts or totals does not refuse the file and is not dropped: its
    perturbation is named in `spoiled`, to be given the worst value of every metric.

    Raises:
        DataError: no label column, missing labels, values that are no counts, or a total below
            the panel sum.
    """
    labels = read_labels(adata, columns, controls, known)
    clean, damaged = _without_nan(adata)
    counts, source = _counts(clean)
    genes = genes_at(clean, source)
    panel = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    totals, unknown_totals = _totals(adata, panel, total_columns)
    spoiled = frozenset(labels[damaged | unknown_totals].tolist())
    return Prediction(Population(counts, panel, labels), genes, totals, spoiled)


def _counts(adata: AnnData) -> tuple[sparse.csr_matrix, str]:
    """Return raw counts; say how means can be scored where there are none."""
    try:
        return raw_counts(adata)
    except DataError as error:
        raise DataError(
            f"predicted cells: {error}; a model of means can be scored on metrics asked for by "
            "name: pass metrics=[...] and values='log1p' or 'mean counts' (--metric, --values)"
        ) from error


def read_labels(
    adata: AnnData, columns: Sequence[str], controls: Collection[str], known: Collection[str] | None
) -> np.ndarray:
    """Return the canonical labels of predicted cells; the first of `columns` holds them.

    Raises `DataError` without such a column and for missing labels.
    """
    column = next((name for name in columns if name in adata.obs), None)
    if column is None:
        raise DataError(
            f"predicted cells have the obs columns {', '.join(map(str, adata.obs)) or 'none'}; "
            f"expected one of {', '.join(columns)} with their perturbation; rename the column"
        )
    values = adata.obs[column]
    missing = int(values.isna().sum())
    if missing:
        raise DataError(
            f"obs column {column!r} of the predicted cells has {missing} missing values; expected "
            "a perturbation for every cell; fill them in or remove these cells"
        )
    parsed = {text: parse_label(text, controls, known) for text in set(values.astype(str))}
    return np.array([parsed[text] for text in values.astype(str)], dtype=object)


def _without_nan(adata: AnnData) -> tuple[AnnData, np.ndarray]:
    """Return the cells with zeros where values are not finite, and which cells had such."""
    import anndata

    layer = "counts" if "counts" in adata.layers else None
    stored = adata.layers["counts"] if layer else adata.X
    if stored is None:
        return adata, np.zeros(adata.n_obs, dtype=bool)
    matrix = to_csr(stored)
    bad = ~np.isfinite(matrix.data) if matrix.dtype.kind == "f" else np.zeros(0, dtype=bool)
    if not bad.any():
        return adata, np.zeros(adata.n_obs, dtype=bool)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    damaged = np.bincount(rows[bad], minlength=matrix.shape[0]) > 0
    matrix = matrix.copy()
    matrix.data[bad] = 0
    clean = anndata.AnnData(X=matrix, obs=adata.obs[[]].copy(), var=adata.var[[]].copy())
    return clean, damaged


def _totals(
    adata: AnnData, panel: np.ndarray, columns: Sequence[str]
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return totals that exceed the panel sum somewhere, else None, and which are not finite."""
    unknown = np.zeros(panel.size, dtype=bool)
    column = next((name for name in columns if name in adata.obs), None)
    if column is None:
        return None, unknown
    totals = np.asarray(adata.obs[column], dtype=np.float64)
    unknown = ~np.isfinite(totals)
    totals = np.where(unknown, panel, totals)
    short = totals < panel - 1e-6 * np.maximum(panel, 1.0)
    if short.any():
        first = int(np.argmax(short))
        raise DataError(
            f"obs column {column!r} of the predicted cells is {totals[first]:g} where the panel "
            f"sums to {panel[first]:g} ({int(short.sum())} cells like it); expected the cell's "
            "total, at least the sum over the panel; correct or drop the column"
        )
    return (totals if (totals > panel + 0.5).any() else None), unknown
