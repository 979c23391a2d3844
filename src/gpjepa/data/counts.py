"""Raw counts out of an AnnData: found, checked to be counts, and brought to one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gpjepa.core.errors import DataError, unknown
from gpjepa.data.anndata_io import unique_names

if TYPE_CHECKING:
    from anndata import AnnData

COUNTS_LAYER = "counts"
LARGEST = 2**24  # beyond it float32 skips integers
_ROWS = 2048  # dense rows made sparse at a time
_FIX = (
    "store the raw counts in layers['counts'] or name the layer that holds them "
    "(layer=..., --layer)"
)


@dataclass(frozen=True)
class Fault:
    """Why a matrix is not counts: what was found, and whether another matrix may stand in."""

    found: str
    fatal: bool  # counts with a damaged entry, not values on another scale


def raw_counts(adata: AnnData, layer: str | None = None) -> tuple[sparse.csr_matrix, str]:
    """Return raw counts [cells, genes] as float32 CSR and the name of where they lay.

    The first of layers["counts"], X and raw.X that holds non-negative integers, or `layer` alone
    ("X" and "raw.X" are accepted). From raw.X the genes are `adata.raw`'s: see `genes_at`.

    Raises `DataError` when there are none, saying what the values look like.
    """
    sources = [layer] if layer is not None else _sources(adata)
    if layer is not None:
        _require(adata, layer)
    refusals: list[str] = []
    for source in sources:
        matrix = to_csr(_matrix_at(adata, source))
        fault = find_fault(matrix, adata.obs_names, _names_at(adata, source))
        if fault is None:
            return _as_counts(matrix), source
        refusals.append(f"{_shown(source)} {fault.found}")
        if fault.fatal:
            break
    raise DataError(
        f"{'; '.join(refusals) or 'the data hold no matrix'}; expected raw counts (non-negative "
        f"integers, stored as float or int); {_advice(adata, sources)}"
    )


def genes_at(adata: AnnData, source: str) -> NDArray[np.object_]:
    """Return the unique gene names of the matrix that `raw_counts` found at `source`."""
    return unique_names(_names_at(adata, source), "gene")


def to_csr(matrix: Any) -> sparse.csr_matrix:
    """Return a dense, sparse or backed matrix as CSR in memory, sharing data where it can."""
    if hasattr(matrix, "to_memory"):
        matrix = matrix.to_memory()
    if sparse.issparse(matrix):
        return sparse.csr_matrix(matrix)
    blocks = [
        sparse.csr_matrix(np.asarray(matrix[start : start + _ROWS]))
        for start in range(0, matrix.shape[0], _ROWS)
    ]
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr") if blocks else matrix.shape)


def find_fault(matrix: sparse.csr_matrix, cells: Any, genes: Any) -> Fault | None:
    """Return why `matrix` is not counts, or None if it is; `cells` and `genes` name an entry."""
    values = matrix.data
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
        return Fault(f"holds values of type {values.dtype}", fatal=True)
    if len(values) == 0 or _are_counts(values):
        return None

    def where(bad: NDArray[np.bool_]) -> str:
        first = int(np.argmax(bad))
        row = int(np.searchsorted(matrix.indptr, first, side="right")) - 1
        return (
            f"{values[first]:.6g} in cell {str(cells[row])!r}, "
            f"gene {str(genes[int(matrix.indices[first])])!r}"
        )

    bad = ~np.isfinite(values)
    if bad.any():
        return Fault(f"has {_entries(bad)} NaN or infinite (first: {where(bad)})", fatal=True)
    fractional = np.rint(values) != values
    negative = values < 0
    if fractional.any():
        bad = negative if negative.any() else fractional
        return Fault(f"looks {_likeness(matrix)} (first: {where(bad)})", fatal=False)
    if negative.any():
        return Fault(f"has {_entries(negative)} negative (first: {where(negative)})", fatal=True)
    if (values > LARGEST).any():
        return Fault(f"has counts above {LARGEST} (first: {where(values > LARGEST)})", fatal=True)
    return None


def _are_counts(values: NDArray[np.generic]) -> bool:
    """Tell whether all values are counts, in one pass each: the case to be fast in."""
    if not (values.min() >= 0 and values.max() <= LARGEST):  # a NaN is neither
        return False
    return bool(np.issubdtype(values.dtype, np.integer)) or np.array_equal(np.rint(values), values)


def _entries(bad: NDArray[np.bool_]) -> str:
    count = int(bad.sum())
    return f"{count} value{'s' if count > 1 else ''}"


def _likeness(matrix: sparse.csr_matrix) -> str:
    """Say what non-integer values look like."""
    values = np.asarray(matrix.data, dtype=np.float64)
    if (values < 0).any():
        return "scaled (z-scores: negative and fractional values)"
    if values.max() < 30:
        total = _common_total(matrix, np.expm1(values))
        return "log-normalised" + (f" (log1p, {total:.6g} per cell)" if total else "")
    total = _common_total(matrix, values)
    return "normalised" + (f" ({total:.6g} per cell)" if total else " (fractional values)")


def _common_total(matrix: sparse.csr_matrix, values: NDArray[np.float64]) -> float | None:
    """Return the sum that all cells share, if they do."""
    rows = sparse.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)
    totals = np.asarray(rows.sum(axis=1)).ravel()
    totals = totals[totals > 0]
    middle = float(np.median(totals))
    return middle if np.abs(totals - middle).max() < 0.01 * middle else None


def _as_counts(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return an own float32 copy with sorted indices and no stored zeros."""
    counts = matrix.astype(np.float32, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


def _sources(adata: AnnData) -> list[str]:
    found = [COUNTS_LAYER] if COUNTS_LAYER in adata.layers else []
    found += ["X"] if adata.X is not None else []
    return found + (["raw.X"] if adata.raw is not None else [])


def _require(adata: AnnData, layer: str) -> None:
    names = [*map(str, adata.layers), *(name for name in _sources(adata) if name != COUNTS_LAYER)]
    if layer not in names:
        raise DataError(
            unknown("layer", layer, names, f"expected one of: {', '.join(names) or 'none'}")
        )


def _matrix_at(adata: AnnData, source: str) -> Any:
    if source in adata.layers:
        return adata.layers[source]
    return adata.raw.X if source == "raw.X" else adata.X


def _names_at(adata: AnnData, source: str) -> Any:
    from_raw = source == "raw.X" and source not in adata.layers
    return adata.raw.var_names if from_raw else adata.var_names


def _shown(source: str) -> str:
    return source if source in ("X", "raw.X") else f"layers[{source!r}]"


def _advice(adata: AnnData, tried: list[str]) -> str:
    """Name another layer that holds counts if there is one."""
    for name in adata.layers:
        if name not in tried and adata.n_obs and adata.n_vars:
            matrix = to_csr(adata.layers[name])
            if find_fault(matrix, adata.obs_names, adata.var_names) is None:
                return f"layers[{name!r}] holds integers: pass layer={name!r} (--layer {name})"
    return _FIX
