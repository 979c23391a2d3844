"""Several files as one: cells one after the other on the genes that all of them have."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError, listed
from gpjepa.data.anndata_io import unique_names
from gpjepa.data.backed import BackedData, opened
from gpjepa.data.cells import gene_indices
from gpjepa.data.counts import genes_at, raw_counts
from gpjepa.data.disk_counts import DiskCounts, stacked_counts
from gpjepa.data.several import FILE, file_names

if TYPE_CHECKING:
    from anndata import AnnData


def open_joined(
    sources: Sequence[AnnData | Path | str],
    layer: str | None = None,
    backed: bool | None = None,
    announce: bool = False,
) -> AnnData | BackedData:
    """Open several data sets as one: raw counts in X, genes matched by name.

    The genes are those common to all, in the order of the first. Cell names that occur in two
    files get the number of their file; obs has the columns of all, and the name of each cell's file
    as `file` where none has such a column. Counts stay on disk if those of any file do. What was
    dropped or renamed is said on stderr if `announce` is on.

    Raises `DataError` for no data set, no common gene, and what `raw_counts` refuses.
    """
    import pandas
    from anndata import AnnData

    if not sources:
        raise DataError("0 files were given; expected at least one; name an h5ad or zarr file")
    parts = [opened(source, backed, announce) for source in sources]
    found = [raw_counts(part, layer) for part in parts]
    names = [genes_at(part, place) for part, (_, place) in zip(parts, found, strict=True)]
    genes = _common(names)
    matrices = []
    for own, (counts, _) in zip(names, found, strict=True):
        chosen = counts[:, gene_indices(own, genes)]
        chosen.sort_indices()
        matrices.append(chosen)
    cells, renamed = _cell_names([unique_names(part.obs_names, "cell") for part in parts])
    obs = pandas.concat([_plain(part.obs) for part in parts], axis=0)
    obs.index = pandas.Index(cells, dtype=object)
    told = _told(sources, names, genes, renamed)
    if FILE not in obs:
        lengths = [len(part.obs) for part in parts]
        obs[FILE] = np.repeat(np.array(file_names(sources), dtype=object), lengths)
        told.append(f"  obs column {FILE!r} names each cell's file; it can be the batch")
    if announce:
        print("\n".join(told), file=sys.stderr)
    var = pandas.DataFrame(index=pandas.Index(genes, dtype=object))
    uns = {"simulated": any(bool(part.uns.get("simulated", False)) for part in parts)}
    counts = stacked_counts(matrices)
    if not isinstance(counts, DiskCounts):
        return AnnData(counts, obs=obs, var=var, uns=uns)
    path = next(part.path for part in parts if isinstance(part, BackedData))
    return BackedData(path, obs, var, counts, {}, None, uns, ())


def _common(names: Sequence[NDArray[np.object_]]) -> list[str]:
    """Return the genes of all files in the order of the first."""
    shared = set(names[0]).intersection(*names[1:])
    if not shared:
        raise DataError(
            f"the {len(names)} files have no gene in common (first genes: "
            f"{'; '.join(listed(own, 3) for own in names)}); expected the same gene names; bring "
            "them to one nomenclature, symbols or Ensembl identifiers"
        )
    return [str(gene) for gene in names[0] if gene in shared]


def _cell_names(names: Sequence[NDArray[np.object_]]) -> tuple[list[str], int]:
    """Return unique names of the cells of all files, and how many were changed."""
    every = np.concatenate(list(names)).astype(str)
    _, inverse, counts = np.unique(every, return_inverse=True, return_counts=True)
    clash = counts[inverse] > 1
    file = np.repeat(np.arange(len(names)), [len(own) for own in names])
    cells = [
        f"{name}-{number + 1}" if twice else str(name)
        for name, number, twice in zip(every, file, clash, strict=True)
    ]
    return list(unique_names(np.array(cells, dtype=object), "cell")), int(clash.sum())


def _plain(obs: Any) -> Any:
    """Return obs with texts in place of categories, which files need not share."""
    plain = obs.copy()
    for name in plain.columns:
        if str(plain[name].dtype) == "category":
            plain[name] = plain[name].astype(object)
    return plain


def _told(
    sources: Sequence[Any], names: Sequence[NDArray[np.object_]], genes: list[str], renamed: int
) -> list[str]:
    """Say what joining the files dropped and renamed."""
    lines = [f"{len(sources)} files joined on the {len(genes)} genes that all of them have"]
    for number, (source, own) in enumerate(zip(sources, names, strict=True), 1):
        if len(own) > len(genes):
            shown = str(source) if isinstance(source, (str, Path)) else f"data set {number}"
            lines.append(f"  {shown}: {len(own) - len(genes)} of {len(own)} genes are left out")
    if renamed:
        lines.append(f"  {renamed} cells share a name with another: their file's number is added")
    return lines
