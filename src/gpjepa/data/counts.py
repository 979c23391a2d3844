"""Raw counts out of an AnnData: found, checked to be counts, and brought to one form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gpjepa.core.errors import DataError, unknown
from gpjepa.data.anndata_io import unique_names
from gpjepa.data.count_file import CountFile, as_counts
from gpjepa.data.disk_counts import DiskCounts
from gpjepa.data.faults import (
    Fault,
    NotCountsError,
    counts_only,
    described,
    fault_of,
    type_fault,
)

COUNTS_LAYER = "counts"
_ROWS = 2048  # dense rows made sparse at a time
_FIX = (
    "store the raw counts in layers['counts'] or name the layer that holds them "
    "(layer=..., --layer)"
)


def raw_counts(adata: Any, layer: str | None = None) -> tuple[Any, str]:
    """Return raw counts [cells, genes] as float32 CSR and the name of where they lay.

    What is on disk (`gpjepa.data.backed`) stays there as `DiskCounts`.

    The first of layers["counts"], X and raw.X that holds non-negative integers, or `layer` alone
    ("X" and "raw.X" are accepted). From raw.X the genes are `adata.raw`'s: see `genes_at`.

    Raises `DataError` when there are none, saying what the values look like.
    """
    sources = [layer] if layer is not None else _sources(adata)
    if layer is not None:
        _require(adata, layer)
    refusals: list[str] = []
    for source in sources:
        matrix = _matrix_of(_matrix_at(adata, source))
        fault = find_fault(matrix, adata.obs_names, _names_at(adata, source))
        if fault is None:
            return matrix if isinstance(matrix, DiskCounts) else as_counts(matrix), source
        refusals.append(f"{_shown(source)} {fault.found}")
        if fault.fatal:
            break
    raise DataError(
        f"{'; '.join(refusals) or 'the data hold no matrix'}; expected raw counts (non-negative "
        f"integers, stored as float or int); {_advice(adata, sources)}"
    )


def genes_at(adata: Any, source: str) -> NDArray[np.object_]:
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


def find_fault(matrix: Any, cells: Any, genes: Any) -> Fault | None:
    """Return why `matrix` is not counts, or None if it is; `cells` and `genes` name an entry.

    Counts on disk are looked through once, and their sums are known from then on.
    """
    fault = type_fault(_dtype(matrix))
    if fault is not None or not isinstance(matrix, DiskCounts):
        return fault or fault_of(lambda: [(0, matrix)], cells, genes)
    file = matrix.source
    if not isinstance(file, CountFile):
        return None  # of several files, looked through when they were joined
    try:
        file.measure(counts_only(file.raw_chunks()))
        return None
    except NotCountsError:
        return described(file.raw_chunks(), cells, genes)


def _dtype(matrix: Any) -> Any:
    file = matrix.source if isinstance(matrix, DiskCounts) else None
    return file.dtype if isinstance(file, CountFile) else matrix.dtype


def _matrix_of(matrix: Any) -> Any:
    return matrix if isinstance(matrix, DiskCounts) else to_csr(matrix)


def _sources(adata: Any) -> list[str]:
    found = [COUNTS_LAYER] if COUNTS_LAYER in adata.layers else []
    found += ["X"] if adata.X is not None else []
    return found + (["raw.X"] if adata.raw is not None else [])


def _require(adata: Any, layer: str) -> None:
    names = [*map(str, adata.layers), *(name for name in _sources(adata) if name != COUNTS_LAYER)]
    if layer not in names:
        raise DataError(
            unknown("layer", layer, names, f"expected one of: {', '.join(names) or 'none'}")
        )


def _matrix_at(adata: Any, source: str) -> Any:
    if source in adata.layers:
        return adata.layers[source]
    return adata.raw.X if source == "raw.X" else adata.X


def _names_at(adata: Any, source: str) -> Any:
    from_raw = source == "raw.X" and source not in adata.layers
    return adata.raw.var_names if from_raw else adata.var_names


def _shown(source: str) -> str:
    return source if source in ("X", "raw.X") else f"layers[{source!r}]"


def _advice(adata: Any, tried: list[str]) -> str:
    """Name another layer that holds counts if there is one."""
    for name in adata.layers:
        if name not in tried and adata.n_obs and adata.n_vars:
            matrix = _matrix_of(adata.layers[name])
            if find_fault(matrix, adata.obs_names, adata.var_names) is None:
                return f"layers[{name!r}] holds integers: pass layer={name!r} (--layer {name})"
    return _FIX
