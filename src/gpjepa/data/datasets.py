"""The real data that ship with the package, by name, with provenance and licence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anndata import AnnData, read_h5ad

from gpjepa.core.errors import VocabularyError, unknown
from gpjepa.core.files import refuse_existing, write_atomic
from gpjepa.data import tables
from gpjepa.data.references import aliases, baseline, gene_sets, interaction_classes
from gpjepa.data.resources import checked, manifest

__all__ = [
    "DatasetInfo",
    "aliases",
    "baseline",
    "describe",
    "export",
    "gene_sets",
    "interaction_classes",
    "load",
    "names",
]


@dataclass(frozen=True)
class DatasetInfo:
    """What an embedded data set is, where it comes from and what it must not be taken for."""

    name: str
    title: str
    kind: str  # cells (counts), table (one row a condition) or reference (no conditions)
    source: str  # repository it was obtained from, with commit where known
    accession: str
    publication: str
    licence: str
    what_it_is: str
    what_it_is_not: str
    n_obs: int
    n_vars: int
    files: tuple[str, ...]


def names() -> tuple[str, ...]:
    """Return the names of the embedded data sets: cells, tables, then references."""
    return tuple(manifest())


def describe(name: str) -> DatasetInfo:
    """Return provenance, licence, size and limits of an embedded data set.

    Raises `VocabularyError` for a name that is not embedded, with the nearest ones.
    """
    entries = manifest()
    if name not in entries:
        raise VocabularyError(
            unknown("data set", name, entries, "`gpjepa data list` shows all of them")
        )
    entry = entries[name]
    commit = entry["commit"]
    return DatasetInfo(
        name=name,
        title=entry["title"],
        kind=entry["kind"],
        source=f"{entry['source']} @ {commit}" if commit else entry["source"],
        accession=entry["accession"],
        publication=entry["publication"],
        licence=entry["licence"],
        what_it_is=entry["what_it_is"],
        what_it_is_not=entry["what_it_is_not"],
        n_obs=entry["n_obs"],
        n_vars=entry["n_vars"],
        files=tuple(entry["files"]),
    )


def _read(name: str) -> AnnData:
    """Read an embedded data set whose name is known."""
    match name:
        case "norman-effects":
            return tables.norman_effects()
        case "norman-distances":
            return tables.norman_distances()
        case "norman-singles":
            return tables.norman_singles()
        case "norman-interaction-classes":
            return tables.interaction_class_table()
        case "k562-baseline" | "thp1-baseline":
            return tables.baseline_table(name.partition("-")[0])
        case "gene-sets":
            return tables.gene_set_table()
        case _:
            adata = read_h5ad(checked(f"{name.replace('-', '_')}.h5ad"))
            adata.X.sort_indices()
            return adata


def load(name: str) -> AnnData:
    """Load an embedded data set; tables come as AnnData too.

    Cells: X raw counts [cells, genes], float32 CSR. Effects: X [conditions, genes].
    Distances: obsp["distances"], obsm["X_centroid"]. uns["dataset"] and uns["licence"] say
    what it is.
    Raises `VocabularyError` for an unknown name, `DataError` for a damaged installation.
    """
    info = describe(name)
    adata = _read(name)
    adata.uns["dataset"] = info.name
    adata.uns["source"] = f"{info.publication}; {info.accession}; via {info.source}"
    adata.uns["licence"] = info.licence
    return adata


def export(name: str, path: Path | str, force: bool = False) -> Path:
    """Write an embedded data set as an h5ad file and return its path.

    Raises `VocabularyError` for an unknown name, `OutputExistsError` when `path` exists and
    `force` is off.
    """
    adata = load(name)
    target = refuse_existing(path, force)
    return write_atomic(target, lambda temporary: adata.write_h5ad(temporary, compression="gzip"))
