"""Simulated cells written while they are drawn: memory holds a chunk of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpjepa.data.anndata_io import write_anndata, write_root
from gpjepa.data.simulator import Drawing, SimulationConfig, drawing
from gpjepa.data.simulator_counts import count_chunks

LARGE = 2 * 10**8  # cells x genes from which counts are written chunk by chunk
CHUNK = 2**14  # entries that are stored together
SHARD = 2**22  # entries of a file of a zarr store, and those that are written at once
_EMPTY = ("layers", "obsm", "varm", "obsp", "varp")


def write_simulated(config: SimulationConfig, path: Path, large: int = LARGE) -> dict[str, int]:
    """Write the cells that `simulate` returns; return how many cells, genes and perturbations.

    From `large` cells x genes on they are written chunk by chunk; the counts are the same.
    """
    drawn = drawing(config)
    cells, genes = len(drawn.layout.library), len(drawn.truth.genes)
    if cells * genes < large:
        write_anndata(drawn.cells(), path)
    else:
        write_root(path, lambda root: _fill(root, drawn))
    return {"cells": cells, "genes": genes, "perturbations": len(drawn.truth.perturbations)}


def _fill(root: Any, drawn: Drawing) -> None:
    """Draw cells into an open file or store."""
    from anndata.io import write_elem

    library, size = drawn.layout.library, drawn.truth.size
    matrix, lengths = Matrix(root, (len(library), len(size))), [np.zeros(1, np.int64)]
    totals = []
    for counts, rest in count_chunks(drawn.rates, library, size, drawn.stream()):
        matrix.add(counts.data, counts.indices)
        lengths.append(np.diff(counts.indptr))
        totals.append(np.asarray(counts.sum(axis=1)).ravel() + rest)
    matrix.end(np.cumsum(np.concatenate(lengths)))
    write_elem(root, "obs", drawn.obs(np.concatenate(totals)))
    write_elem(root, "var", drawn.var())
    write_elem(root, "uns", drawn.uns())
    for name in _EMPTY:
        write_elem(root, name, {})


class Matrix:
    """A CSR matrix in a file or store that entries are added to."""

    def __init__(self, root: Any, shape: tuple[int, int]) -> None:
        self._group, self._store = root.create_group("X"), not hasattr(root, "close")
        self._group.attrs.update(
            {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(shape)}
        )
        self._parts: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        self._waiting, self._length = 0, 0
        for name in ("data", "indices"):
            self._make(name, np.zeros(0, np.int32))

    def add(self, values: NDArray[np.int32], genes: NDArray[np.int32]) -> None:
        """Add entries; whole shards of them are written."""
        self._parts.append((values, genes))
        self._waiting += len(values)
        if self._waiting >= SHARD:
            self._write(self._waiting - self._waiting % SHARD)

    def end(self, indptr: NDArray[np.int64]) -> None:
        """Write what is left, and the row pointers."""
        self._write(self._waiting)
        kind = np.int32 if indptr[-1] <= np.iinfo(np.int32).max else np.int64
        self._make("indptr", indptr.astype(kind))

    def _make(self, name: str, data: NDArray[Any]) -> None:
        if name == "indptr":
            make = self._group.create_array if self._store else self._group.create_dataset
            make(name, data=data)
        elif self._store:
            self._group.create_array(
                name, shape=data.shape, dtype=data.dtype, chunks=(CHUNK,), shards=(SHARD,)
            )
        else:
            self._group.create_dataset(name, data=data, maxshape=(None,), chunks=(CHUNK,))

    def _write(self, entries: int) -> None:
        """Write the first of the waiting entries."""
        values, genes = (
            np.concatenate([np.zeros(0, np.int32), *(part[place] for part in self._parts)])
            for place in (0, 1)
        )
        here = slice(self._length, self._length + entries)
        for name, every in (("data", values), ("indices", genes)):
            self._group[name].resize((here.stop,))
            self._group[name][here] = every[:entries]
        self._parts = [(values[entries:], genes[entries:])]
        self._length, self._waiting = here.stop, len(values) - entries
