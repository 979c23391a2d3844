"""Cells as counts, without any perturbation: what an encoder needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError
from gpjepa.data.anndata_io import unique_names
from gpjepa.data.backed import BackedData, opened
from gpjepa.data.counts import genes_at, raw_counts
from gpjepa.data.disk_counts import Counts, taken
from gpjepa.data.library import find_library, panel_sums

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Cells:
    """Raw counts of named cells and genes, with library sizes."""

    counts: Counts  # [cells, genes] float32 holding non-negative integers
    genes: NDArray[np.object_]  # unique names
    cells: NDArray[np.object_]  # unique names
    library: NDArray[np.float64]  # [cells], counts: the cell's total if has_rest, else the sum here
    has_rest: bool  # the library counts genes that are not here

    @property
    def n_cells(self) -> int:
        """Return the number of cells."""
        return int(self.counts.shape[0])

    @property
    def n_genes(self) -> int:
        """Return the number of genes."""
        return int(self.counts.shape[1])

    def subset(self, cells: NDArray[np.generic]) -> Cells:
        """Return the cells of a mask or of indices, in the order of the indices."""
        rows = row_indices(cells, self.n_cells)
        return Cells(
            taken(self.counts, rows),
            self.genes,
            self.cells[rows],
            self.library[rows],
            self.has_rest,
        )


def read_cells(
    adata_or_path: AnnData | Path | str | BackedData,
    layer: str | None = None,
    library: str | None = None,
) -> Cells:
    """Read raw counts and library sizes from an AnnData, h5ad file or zarr directory.

    Counts of more than 1 GB stay on disk. Raises `DataError` when the file, the names, the counts
    or the library cannot be used.
    """
    given = adata_or_path
    adata = given if isinstance(given, BackedData) else opened(given)
    return bind_cells(adata, layer, library)[0]


def bind_cells(
    adata: AnnData | BackedData, layer: str | None = None, library: str | None = None
) -> tuple[Cells, str, str | None]:
    """Return the cells of `adata`, the place of their counts and the library's column."""
    names = unique_names(adata.obs_names, "cell")
    unique_names(adata.var_names, "gene")
    counts, source = raw_counts(adata, layer)
    sizes, has_rest, column = find_library(adata.obs, counts, library)
    return Cells(counts, genes_at(adata, source), names, sizes, has_rest), source, column


def align_genes(cells: Cells, genes: Sequence[str]) -> Cells:
    """Return `cells` on exactly `genes`, matched by name; other genes are left out.

    Without a rest of the transcriptome the library becomes the sum over `genes`.

    Raises `DataError` naming the genes that are missing.
    """
    columns = gene_indices(cells.genes, genes)
    counts, library = take_genes(cells.counts, columns, cells.library, cells.has_rest)
    return Cells(counts, cells.genes[columns], cells.cells, library, cells.has_rest)


def take_genes(
    counts: Counts,
    columns: NDArray[np.int64],
    library: NDArray[np.float64],
    has_rest: bool,
) -> tuple[Counts, NDArray[np.float64]]:
    """Return the counts of some genes and the library sizes that go with them."""
    chosen = counts[:, columns]
    chosen.sort_indices()
    return chosen, library if has_rest else panel_sums(chosen)


def gene_indices(names: NDArray[np.object_], genes: Sequence[str]) -> NDArray[np.int64]:
    """Return where each of `genes` lies in `names`.

    Raises `DataError` for no genes, a gene that is missing and one that is asked for twice.
    """
    if len(genes) == 0:
        raise DataError("0 genes were asked for; expected at least one; widen the selection")
    position = {name: index for index, name in enumerate(names)}
    missing = [gene for gene in genes if gene not in position]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"{len(missing)} of {len(genes)} genes are missing from the data ({shown}); expected "
            "every gene of the model by the same name; add them (zeros where they were measured "
            "and not seen) or rename them"
        )
    if len(set(genes)) < len(genes):
        raise DataError("a gene was asked for twice; expected different genes; drop the repeats")
    return np.array([position[gene] for gene in genes], dtype=np.int64)


def row_indices(cells: NDArray[np.generic], n_cells: int) -> NDArray[np.int64]:
    """Return the indices that a mask over `n_cells` or an array of indices stands for.

    Raises `DataError` for a mask of another length or an index out of range.
    """
    chosen = np.asarray(cells)
    if chosen.dtype == bool:
        if chosen.shape != (n_cells,):
            raise DataError(
                f"the mask has shape {chosen.shape}; expected ({n_cells},); give one value a cell"
            )
        return np.flatnonzero(chosen).astype(np.int64)
    rows = chosen.astype(np.int64).ravel()
    if len(rows) and (rows.min() < -n_cells or rows.max() >= n_cells):
        raise DataError(
            f"cell index {int(rows[np.argmax(np.abs(rows))])} is out of range; expected 0 to "
            f"{n_cells - 1}; check which data the indices belong to"
        )
    return rows
