"""Time one way of reading shuffled batches from a CSR h5ad file; prints one JSON document.

Called by `compare` as: worker.py KIND FILE BATCH CELLS. Kinds are ours, blocks, scdataset-1,
scdataset-256 and annloader; the last three need no gpjepa.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

WARM = 2  # epochs after which all memory has been used once


def ours(path: str, batch: int, cells: int) -> Iterator[int]:
    """Yield the size of the batches of whole epochs of Stage A as it reads them."""
    from gpjepa.data.backed import open_backed
    from gpjepa.data.counts import find_fault
    from gpjepa.inference.ahead import ahead_of, shuffled_batches
    from gpjepa.inference.cells import CellTable

    data = open_backed(Path(path))
    find_fault(data.X, data.obs_names, data.var_names)
    table = CellTable(data.X, np.ones(data.n_obs))
    batches = shuffled_batches(table, batch, 0, "loader")
    reader = ahead_of(table, batches)
    first = WARM * batches.per_epoch
    for epoch in range(0, first, batches.per_epoch):
        for step in range(epoch, epoch + batches.per_epoch, batches.per_window):
            reader.at(step)
    reader.at(first)  # from here on a window is read for each that is used
    yield 0
    last = first + max(1, round(cells / len(table))) * batches.per_epoch
    for step in range(first, last):
        counts, _ = reader.at(step).sparse(batches.indices(step))
        yield counts.shape[0]
    reader.at(last)


def blocks(path: str, batch: int, cells: int) -> Iterator[int]:
    """Yield the cells of each block that `ours` reads, read in the order of the file, no more."""
    import h5py

    from gpjepa.data.blocks import BLOCK, WINDOW

    with h5py.File(path, "r") as file:
        data, indices = file["X/data"], file["X/indices"]
        indptr = file["X/indptr"][:]
        whole = (len(indptr) - 1) // BLOCK
        order = np.random.default_rng(0).permutation(whole)
        yield 0
        for start in range(0, cells // BLOCK, WINDOW // BLOCK):
            for block in np.sort(order[start : start + WINDOW // BLOCK]):
                here = slice(int(indptr[block * BLOCK]), int(indptr[(block + 1) * BLOCK]))
                _ = data[here], indices[here]
                yield BLOCK


def scdataset(path: str, batch: int, cells: int, block: int) -> Iterator[int]:
    """Yield the size of the batches of scDataset at a block size."""
    import anndata
    from scdataset import BlockShuffling, scDataset
    from torch.utils.data import DataLoader

    adata = anndata.read_h5ad(path, backed="r")
    factor = 64
    dataset = scDataset(
        Rows(adata.X), BlockShuffling(block_size=block), batch_size=batch, fetch_factor=factor
    )
    loader = DataLoader(dataset, batch_size=None, num_workers=0)
    yield 0
    seen = 0
    for part in loader:
        yield part.shape[0]
        seen += part.shape[0]
        if seen >= cells:
            return


class Rows:
    """The rows of a backed matrix, with a length as scDataset asks for."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, rows: Any) -> Any:
        return self.matrix[rows]


def annloader(path: str, batch: int, cells: int) -> Iterator[int]:
    """Yield the size of the batches of AnnLoader on a backed file."""
    import anndata
    from anndata.experimental import AnnLoader

    adata = anndata.read_h5ad(path, backed="r")
    yield 0
    seen = 0
    for part in AnnLoader(adata, batch_size=batch, shuffle=True):
        seen += part.X.shape[0]
        yield part.X.shape[0]
        if seen >= cells:
            return


def main(kind: str, path: str, batch: int, cells: int) -> None:
    """Time the batches of one kind, its opening left out."""
    name, _, block = kind.partition("-")
    made = {"ours": ours, "blocks": blocks, "annloader": annloader}
    batches = (
        scdataset(path, batch, cells, int(block))
        if name == "scdataset"
        else made[name](path, batch, cells)
    )
    next(batches)
    clock, cpu = time.perf_counter(), time.process_time()
    seen = sum(batches)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    print(json.dumps({"cells": seen, "wall": seen / clock, "cpu": seen / cpu}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
