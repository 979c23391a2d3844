"""Counts bound to roles: which perturbation each cell had, its library and its covariates."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError, unknown
from gpjepa.data.backed import BackedData, opened
from gpjepa.data.cells import Cells, bind_cells, gene_indices, row_indices, take_genes
from gpjepa.data.disk_counts import Counts, chunks, in_memory, row_lengths, taken
from gpjepa.data.joined import open_joined
from gpjepa.data.labels import CONTROL, members_of
from gpjepa.data.modality import modality_column, with_modality
from gpjepa.data.obs import covariate_values, dose_values, perturbation_labels
from gpjepa.data.readings import name_notes
from gpjepa.data.roles import Roles, find_roles, text_values, with_sources
from gpjepa.data.several import all_sources

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

    from gpjepa.data.partition import Split


@dataclass(frozen=True, eq=False)
class PerturbSeq:
    """Single-cell perturbation data, checked once where they enter."""

    counts: Counts  # [cells, genes] float32 holding non-negative integers, in memory or on disk
    genes: NDArray[np.object_]  # unique names
    cells: NDArray[np.object_]  # unique names
    labels: NDArray[np.object_]  # [cells] canonical; CONTROL for control cells
    library: NDArray[np.float64]  # [cells], counts: the cell's total if has_rest, else the sum here
    has_rest: bool  # the library counts genes that are not here
    batch: NDArray[np.object_] | None
    cell_type: NDArray[np.object_] | None
    dose: NDArray[np.float64] | None  # [cells]; 0 where a control cell has none
    roles: Roles
    obs: DataFrame | None = None  # every column that came with the cells
    simulated: bool = False  # the cells were drawn from a simulator
    modalities: tuple[str, ...] = ()  # ways to perturb, commonest first; labels carry several

    @property
    def n_cells(self) -> int:
        """Return the number of cells."""
        return int(self.counts.shape[0])

    @property
    def n_genes(self) -> int:
        """Return the number of genes."""
        return int(self.counts.shape[1])

    @property
    def is_control(self) -> NDArray[np.bool_]:
        """Return a mask [cells] of the control cells."""
        return np.asarray(self.labels == CONTROL, dtype=bool)

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Return the sorted labels other than control."""
        return tuple(sorted(set(self.labels) - {CONTROL}))

    @property
    def members(self) -> tuple[str, ...]:
        """Return the sorted genes that are perturbed, alone or in a combination."""
        return tuple(sorted({gene for label in self.perturbations for gene in members_of(label)}))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what is odd about the data without making them unusable."""
        names, counts = np.unique(self.labels.astype(str), return_counts=True)
        lone = [str(name) for name in names[counts == 1]]
        empty = np.flatnonzero(row_lengths(self.counts) == 0)
        found = []
        if len(empty):
            found.append(f"cells without any count: {len(empty)} (first: {self.cells[empty[0]]!r})")
        if lone:
            found.append(f"labels with one cell: {len(lone)} (first: {lone[0]!r})")
        return (*found, *name_notes(self.members, list(self.genes)))

    def subset(self, cells: NDArray[np.generic]) -> PerturbSeq:
        """Return the cells of a mask or of indices, in the order of the indices."""
        rows = row_indices(cells, self.n_cells)
        return replace(
            self,
            counts=taken(self.counts, rows),
            cells=self.cells[rows],
            labels=self.labels[rows],
            library=self.library[rows],
            batch=None if self.batch is None else self.batch[rows],
            cell_type=None if self.cell_type is None else self.cell_type[rows],
            dose=None if self.dose is None else self.dose[rows],
            obs=None if self.obs is None else self.obs.iloc[rows],
        )

    def select_genes(self, genes: Sequence[str]) -> PerturbSeq:
        """Return the data on `genes`, in that order.

        Library sizes stay if they count the rest of the transcriptome; otherwise they become the
        sum over `genes`. Raises `DataError` for a gene that is missing or repeated.
        """
        columns = gene_indices(self.genes, genes)
        counts, library = take_genes(self.counts, columns, self.library, self.has_rest)
        return replace(self, counts=counts, genes=self.genes[columns], library=library)

    def as_cells(self) -> Cells:
        """Return the same cells without their perturbations."""
        return Cells(self.counts, self.genes, self.cells, self.library, self.has_rest)

    def covariate(self, column: str) -> NDArray[np.object_]:
        """Return a covariate [cells]: "batch", "cell_type" or a column of obs, as strings.

        Raises `DataError` when there is none of that name or it has missing values.
        """
        for role in ("batch", "cell_type"):
            values = getattr(self, role)
            if values is not None and column in (role, getattr(self.roles, role)):
                return np.asarray(values, dtype=object)
        names = [] if self.obs is None else [str(name) for name in self.obs.columns]
        if self.obs is None or column not in names:
            advice = f"obs has: {', '.join(names) or 'no columns'}; name one of them"
            raise DataError(unknown("column", column, names, advice))
        return covariate_values(self.obs, column)

    def split(
        self,
        scheme: str,
        *,
        seed: int = 0,
        fraction: float = 0.25,
        context_column: str | None = None,
    ) -> Split:
        """Divide the perturbations into training, validation and test ones.

        `scheme` is one of `gpjepa.data.splits.SCHEMES`, a column of obs or the path of a JSON
        file; `fraction` of what the scheme holds out goes to the test. Raises `ConfigError` for an
        unknown scheme and `DataError` for one that these data do not allow.
        """
        from gpjepa.data.splits import make_split

        return make_split(self, scheme, seed=seed, fraction=fraction, context_column=context_column)

    def fingerprint(self) -> str:
        """Return a SHA-256 over genes, cells, labels and counts."""
        digest = hashlib.sha256()
        for names in (self.genes, self.cells, self.labels):
            digest.update("\0".join(map(str, names)).encode() + b"\1")
        indptr = np.concatenate(([0], np.cumsum(row_lengths(self.counts), dtype=np.int64)))
        digest.update(indptr.astype("<i8").tobytes())
        for _, part in chunks(self.counts):
            digest.update(np.ascontiguousarray(part.indices, dtype="<i8").tobytes())
        for _, part in chunks(self.counts):
            digest.update(np.ascontiguousarray(part.data, dtype="<f4").tobytes())
        return digest.hexdigest()

    def to_anndata(self) -> AnnData:
        """Return a copy as AnnData: counts in X, perturbation and total_counts in obs.

        Counts on disk are read into memory.
        """
        import anndata
        import pandas

        index = pandas.Index(self.cells.astype(str), dtype=object)
        columns = {"perturbation": self.labels, "total_counts": self.library.copy()}
        for role in ("batch", "cell_type", "dose"):
            if getattr(self, role) is not None:
                columns[role] = getattr(self, role).copy()
        obs = pandas.DataFrame(columns, index=index)
        modality = modality_column(self.labels, self.modalities)
        if modality is not None:
            obs["modality"] = modality
        for name in obs.columns.intersection(["perturbation", "batch", "cell_type", "modality"]):
            obs[name] = pandas.Categorical(obs[name].astype(str))
        var = pandas.DataFrame(index=pandas.Index(self.genes.astype(str), dtype=object))
        return anndata.AnnData(X=in_memory(self.counts).copy(), obs=obs, var=var)


def read(
    adata_or_path: AnnData | Path | str | Sequence[AnnData | Path | str],
    perturbation: str | None = None,
    control: str | None = None,
    layer: str | None = None,
    library: str | None = None,
    batch: str | None = None,
    cell_type: str | None = None,
    dose: str | None = None,
    modality: str | None = None,
    announce: bool = True,
    backed: bool | None = None,
) -> PerturbSeq:
    """Read perturbation data from an AnnData, an h5ad file or a zarr directory.

    Several, a pattern ("lanes/*.h5ad") or a directory of files are joined on the genes that all of
    them have; `batch="file"` makes a batch of each file. See `gpjepa.data.joined`.
    Roles left as None are detected; what was chosen goes to stderr unless `announce` is off.
    `modality` is a column that says how genes were perturbed (CRISPRa, CRISPRi, knockout, …). With
    several of them the labels carry it, as in KLF1@CRISPRi, so that effects are not pooled.

    Counts of a file that take more than 1 GB in memory stay on disk; `backed` True leaves them
    there, False reads them whole. Raises `DataError` for data that cannot be used as they are.
    """
    adata, layer = _opened(adata_or_path, layer, backed, announce)
    cells, source, column = bind_cells(adata, layer, library)
    chosen = find_roles(adata.obs, perturbation, control, batch, cell_type, dose, modality)
    labels, modalities, remarks = _labels(adata.obs, cells, chosen)
    if column is not None and not cells.has_rest:
        remarks.append(f"column {column!r} equals the sum over the genes, so no gene is left out")
    roles = with_sources(chosen, source, column if cells.has_rest else None, remarks)
    given = None if dose is None else dose_values(adata.obs, dose, labels == CONTROL)
    data = PerturbSeq(
        counts=cells.counts,
        genes=cells.genes,
        cells=cells.cells,
        labels=labels,
        library=cells.library,
        has_rest=cells.has_rest,
        batch=_covariate(adata.obs, roles.batch),
        cell_type=_covariate(adata.obs, roles.cell_type),
        dose=given,
        roles=roles,
        obs=adata.obs.copy(),
        simulated=bool(adata.uns.get("simulated", False)),
        modalities=modalities,
    )
    if announce:
        _announce(data)
    return data


def _opened(
    source: Any, layer: str | None, backed: bool | None, announce: bool
) -> tuple[AnnData | BackedData, str | None]:
    """Open one data set or several as one, and say which layer is to be read."""
    source = all_sources(source)
    if not isinstance(source, (list, tuple)):
        return opened(source, backed, announce), layer
    if len(source) == 1:
        return opened(source[0], backed, announce), layer
    return open_joined(source, layer, backed, announce), None  # their counts are in X now


def _covariate(obs: DataFrame, column: str | None) -> NDArray[np.object_] | None:
    return None if column is None else covariate_values(obs, column)


def _labels(
    obs: DataFrame, cells: Cells, roles: Roles
) -> tuple[NDArray[np.object_], tuple[str, ...], list[str]]:
    """Return canonical labels, the modalities that they carry or share, and remarks."""
    labels, remarks = perturbation_labels(text_values(obs, roles.perturbation), cells.cells, roles)
    if roles.modality is None:
        return labels, (), remarks
    texts = text_values(obs, roles.modality)
    labels, modalities = with_modality(labels, texts, cells.cells, roles.modality)
    return labels, modalities, remarks


def _announce(data: PerturbSeq) -> None:
    for line in (*data.roles.describe(), *(f"note: {note}" for note in data.notes)):
        print(line, file=sys.stderr)
