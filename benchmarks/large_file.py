"""Large files for timing, written a run of cells at a time: memory stays small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas

from benchmarks.made_cells import made_cells

ROWS = 10_000  # cells written at once
GENES = 5_000


def write_large(path: Path, cells: int, pool: int = 10_000, genes: int = GENES) -> Path:
    """Write an h5ad file or zarr v3 directory of `cells` raw counts as CSR, a tenth non-zero.

    `pool` cells are made (see `made_cells`), and each is written cells / pool times, in random
    order: what is measured on such files does not depend on what is in the cells.
    """
    source = made_cells(min(pool, cells), genes)
    counts = source.X.tocsr()
    counts.sort_indices()
    rng = np.random.default_rng(1)
    chosen = rng.integers(0, source.n_obs, cells)
    lengths = np.diff(counts.indptr)[chosen]
    indptr = np.concatenate(([0], np.cumsum(lengths)))
    obs = source.obs.iloc[chosen].copy()
    obs.index = pandas.Index([f"cell-{row}" for row in range(cells)])
    root = _opened(path)
    group = _matrix(root, (cells, genes), indptr)
    for start in range(0, cells, ROWS):
        part = counts[chosen[start : start + ROWS]]
        here = slice(int(indptr[start]), int(indptr[min(start + ROWS, cells)]))
        group["data"][here], group["indices"][here] = part.data, part.indices
    _names(root, obs, source.var)
    if hasattr(root, "close"):
        root.close()
    return path


def _opened(path: Path) -> Any:
    if path.suffix == ".zarr":
        import zarr

        return zarr.open_group(str(path), mode="w", zarr_format=3)
    import h5py

    return h5py.File(path, "w")


def _matrix(root: Any, shape: tuple[int, int], indptr: np.ndarray) -> Any:
    """Make the arrays of a CSR matrix; chunks of zarr are 2^14 entries in shards of 2^22."""
    group = root.create_group("X")
    group.attrs.update(
        {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(shape)}
    )
    zarr = not hasattr(root, "close")
    for name, kind in (("data", "<f4"), ("indices", "<i4")):
        size = int(indptr[-1])
        extra = {"chunks": (2**14,), "shards": (2**22,)} if zarr else {"chunks": (2**14,)}
        group.create_array(name, shape=(size,), dtype=kind, **extra) if zarr else (
            group.create_dataset(name, shape=(size,), dtype=kind, **extra)
        )
    if zarr:
        group.create_array("indptr", data=indptr.astype("<i8"))
    else:
        group.create_dataset("indptr", data=indptr.astype("<i8"))
    return group


def _names(root: Any, obs: pandas.DataFrame, var: pandas.DataFrame) -> None:
    from anndata.io import write_elem

    root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    write_elem(root, "obs", obs)
    write_elem(root, "var", var)
    for name in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
        write_elem(root, name, {})
