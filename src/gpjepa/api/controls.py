"""The control cells that a model predicts from, kept with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.core.errors import CheckpointError, DataError, VocabularyError, unknown
from gpjepa.core.files import write_atomic
from gpjepa.core.random import numpy_stream
from gpjepa.data.backed import BackedData
from gpjepa.data.cells import Cells, align_genes, read_cells
from gpjepa.data.disk_counts import in_memory
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.bundle import GenePanel
from gpjepa.inference.cells import CellTable
from gpjepa.inference.control_error import share_known

if TYPE_CHECKING:
    from anndata import AnnData

PER_CONTEXT = 2000  # control cells kept of each context


@dataclass(frozen=True, eq=False)
class ControlCells:
    """Control cells of the modelled genes with the levels of their covariates by name.

    `made` holds what was made of them once, such as their latents.
    """

    table: CellTable
    names: np.ndarray
    levels: dict[str, np.ndarray]
    made: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.table)

    def take(self, index: np.ndarray) -> ControlCells:
        """Return the cells at `index`."""
        levels = {name: values[index] for name, values in self.levels.items()}
        return ControlCells(self.table.take(index), self.names[index], levels)

    def known_of(self, own: ControlCells) -> float:
        """Return how far these are the control cells that a model was trained with."""
        mine, known = self.table.library, own.table.library
        return 1.0 if self is own else share_known(self.names, mine, own.names, known)

    def within(self, context: str | None) -> ControlCells:
        """Return the cells of one context: a level of cell type or, without types, of batch.

        Raises `VocabularyError` for a context that no control cell is of.
        """
        if context is None:
            return self
        for name in ("cell_type", "batch"):
            values = self.levels.get(name)
            if values is not None and context in set(values):
                return self.take(np.flatnonzero(values == context))
        known = sorted({str(x) for values in self.levels.values() for x in values})
        raise VocabularyError(
            unknown("context", context, known, "name a cell type or batch of the control cells")
        )

    def covariates(self, vocabulary: Vocabulary) -> np.ndarray:
        """Return level indices [cells, C] of the covariates that the model embeds."""
        columns = []
        for name, known in vocabulary.covariates.items():
            values = self.levels.get(name)
            if values is None:
                raise DataError(
                    f"the control cells have no {name}; expected one of {', '.join(known)} for "
                    f"each; add obs[{name!r}]"
                )
            columns.append(vocabulary.encode_covariate(name, values))
        rows = len(self)
        return np.stack(columns, axis=1) if columns else np.zeros((rows, 0), dtype=np.int64)


def kept_controls(data: PerturbSeq, seed: int) -> ControlCells:
    """Choose up to 2,000 of these control cells of each context to keep with the model."""
    context = data.cell_type if data.cell_type is not None else data.batch
    groups = np.zeros(data.n_cells, dtype=int)
    if context is not None:
        groups = np.unique(context.astype(str), return_inverse=True)[1]
    rng = numpy_stream(seed, "kept controls")
    rows = [rng.permutation(np.flatnonzero(groups == g))[:PER_CONTEXT] for g in np.unique(groups)]
    return from_data(data.subset(np.sort(np.concatenate(rows))))


def from_data(data: PerturbSeq) -> ControlCells:
    """Take cells as they are."""
    levels = {
        name: np.asarray(values, dtype=object)
        for name, values in (("cell_type", data.cell_type), ("batch", data.batch))
        if values is not None
    }
    table = CellTable(in_memory(data.counts), np.asarray(data.library))
    return ControlCells(table, data.cells, levels)


def from_anndata(adata: AnnData, panel: GenePanel, vocabulary: Vocabulary) -> ControlCells:
    """Take a user's control cells; genes are matched by name.

    Raises `DataError` for missing genes or a library that does not fit the model's.
    """
    cells = bound(adata, panel)
    levels = {
        name: np.asarray(adata.obs[name].astype(str), dtype=object)
        for name in {*vocabulary.covariates, "cell_type", "batch"}
        if name in adata.obs
    }
    return ControlCells(CellTable(cells.counts, cells.library), cells.cells, levels)


def bound(
    source: AnnData | BackedData | Path | str,
    panel: GenePanel,
    layer: str | None = None,
    library: str | None = None,
) -> Cells:
    """Read cells and bring them onto the panel, with a library of the model's kind."""
    cells = read_cells(source, layer, library)
    if panel.has_rest and not cells.has_rest:
        raise DataError(
            "the cells have no totals beyond their genes; expected obs total_counts, n_counts or "
            "total_umi as in training, since the model was trained with the rest of the "
            "transcriptome as a class; add the cells' total counts"
        )
    aligned = align_genes(cells, panel.names)
    if panel.has_rest or not cells.has_rest:
        return aligned
    sums = np.asarray(aligned.counts.sum(axis=1), dtype=np.float64).ravel()
    return Cells(aligned.counts, aligned.genes, aligned.cells, sums, False)


def save_controls(controls: ControlCells, panel: GenePanel, path: Path) -> None:
    """Write control cells as h5ad."""
    import anndata
    import pandas

    obs = pandas.DataFrame({"total_counts": controls.table.library}, index=list(controls.names))
    for name, values in controls.levels.items():
        obs[name] = pandas.Categorical(values.astype(str))
    var = pandas.DataFrame(index=list(panel.names))
    adata = anndata.AnnData(X=controls.table.counts, obs=obs, var=var)
    write_atomic(path, adata.write_h5ad)


def load_controls(path: Path, panel: GenePanel, vocabulary: Vocabulary) -> ControlCells:
    """Read the control cells of a run; raise `CheckpointError` when they are missing or damaged."""
    import anndata

    if not path.exists():
        raise CheckpointError(
            f"{path.name} is missing from run {str(path.parent)!r}; expected the control cells "
            "to predict from; restore the file or pass control cells"
        )
    try:
        return from_anndata(anndata.read_h5ad(path), panel, vocabulary)
    except (OSError, DataError, KeyError) as error:
        raise CheckpointError(
            f"{path.name} in run {str(path.parent)!r} cannot be used ({error}); expected the "
            "control cells that the run wrote; restore the file"
        ) from error
