from __future__ import annotations

import os
import threading
from pathlib import Path

import anndata
import numpy as np
import pytest
import torch
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.backed import open_backed
from gpjepa.data.blocks import BlockShuffledBatches
from gpjepa.data.counts import raw_counts
from gpjepa.data.sampling import ShuffledBatches
from gpjepa.inference import ahead
from gpjepa.inference.ahead import ReadAhead, Window, ahead_of, shuffled_batches
from gpjepa.inference.cells import CellTable

CELLS = 500


@pytest.fixture
def tables(tmp_path: Path) -> tuple[CellTable, CellTable]:
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(1.0, (CELLS, 12)).astype(np.float32))
    anndata.AnnData(counts).write_h5ad(tmp_path / "cells.h5ad")
    library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    disk = raw_counts(open_backed(tmp_path / "cells.h5ad"))[0]
    return CellTable(counts, library), CellTable(disk, library)


def rows(step: int) -> np.ndarray:
    return np.random.default_rng(step).integers(0, CELLS, 20)


def test_a_step_sees_the_cells_that_it_sees_from_memory(
    tables: tuple[CellTable, CellTable],
) -> None:
    memory, disk = tables
    reader = ReadAhead(disk, rows, steps=4)
    for step in (0, 1, 2, 3, 4, 9, 2, 30, 5):  # also after a resume, and backwards
        found, total = reader.at(step).sparse(rows(step))
        expected, library = memory.sparse(rows(step))
        assert torch.equal(found.dense(), expected.dense())
        assert torch.equal(total, library)
        assert torch.equal(reader.at(step).dense(rows(step))[0], expected.dense())


def test_a_batch_is_its_own_after_its_window_is_gone(
    tables: tuple[CellTable, CellTable],
) -> None:
    memory, disk = tables
    reader = ReadAhead(disk, rows, steps=1)
    kept = [reader.at(step).sparse(rows(step))[0] for step in range(6)]
    for step, found in enumerate(kept):
        assert torch.equal(found.dense(), memory.sparse(rows(step))[0].dense())


def test_windows_take_turns_in_the_same_memory(tables: tuple[CellTable, CellTable]) -> None:
    reader = ReadAhead(tables[1], lambda step: np.arange(step, step + 200), steps=1)
    values = []
    for step in range(4):
        window = reader.at(step)
        assert isinstance(window, Window)
        values.append(window.table.counts.data)
    assert np.shares_memory(values[0], values[2])
    assert not np.shares_memory(values[0], values[1])


@pytest.mark.parametrize("entries", [1000, 2**25])
def test_the_cells_of_a_batch_lie_together_in_its_window(
    tables: tuple[CellTable, CellTable], monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    memory, disk = tables
    monkeypatch.setattr(ahead, "ENTRIES", entries)
    batches = shuffled_batches(disk, 32, 0, "x")
    reader = ahead_of(disk, batches)
    for step in range(3 * batches.per_epoch):
        window, index = reader.at(step), batches.indices(step)
        assert isinstance(window, Window)
        assert len(window.table) <= batches.per_window * 32
        assert isinstance(window._places(index), slice)
        found, expected = window.sparse(index)[0], memory.sparse(index)[0]
        for part in ("starts", "gene", "value"):
            assert torch.equal(getattr(found, part), getattr(expected, part))
            assert getattr(found, part).dtype == getattr(expected, part).dtype


def test_a_window_ends_with_its_epoch_and_holds_a_cell_once(
    tables: tuple[CellTable, CellTable],
) -> None:
    asked: list[int] = []

    def told(step: int) -> np.ndarray:
        asked.append(step)
        return rows(step)

    reader = ReadAhead(tables[1], told, steps=4, per_epoch=6)
    for first, last in ((0, 3), (4, 5), (6, 9), (10, 11)):
        window = reader.at(first)
        assert reader.at(last) is window
        assert isinstance(window, Window)
        seen = np.concatenate([rows(step) for step in range(first, last + 1)])
        assert len(window.table) == len(set(seen.tolist()))
    assert asked[:12] == list(range(12))


def test_a_table_in_memory_is_used_as_it_is(tables: tuple[CellTable, CellTable]) -> None:
    memory, _ = tables
    assert ReadAhead(memory, rows).at(3) is memory
    assert isinstance(shuffled_batches(memory, 32, 0, "x"), ShuffledBatches)


def test_the_next_window_is_read_by_another_thread(
    tables: tuple[CellTable, CellTable],
) -> None:
    readers: list[str] = []

    def told(step: int) -> np.ndarray:
        readers.append(threading.current_thread().name)
        return rows(step)

    reader = ReadAhead(tables[1], told, steps=2)
    for step in range(4):
        reader.at(step)
    assert len(readers) >= 4
    assert threading.main_thread().name not in readers


def test_batches_from_disk_come_in_blocks(
    tables: tuple[CellTable, CellTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "ENTRIES", 1000)
    batches = shuffled_batches(tables[1], 16, 0, "x")
    assert isinstance(batches, BlockShuffledBatches)
    assert batches.block * batches.window < CELLS
    reader = ahead_of(tables[1], batches)
    assert reader.steps == batches.per_window
    seen = np.concatenate([batches.indices(step) for step in range(batches.per_epoch)])
    assert set(seen.tolist()) == set(range(CELLS))


def test_what_the_reader_meets_ends_the_run(
    tables: tuple[CellTable, CellTable], tmp_path: Path
) -> None:
    reader = ReadAhead(tables[1], rows, steps=2)
    reader.at(0)
    os.truncate(tmp_path / "cells.h5ad", 100)
    with pytest.raises(DataError, match=r"cells\.h5ad.*changed while it was read"):
        _ = [reader.at(step) for step in range(1, 20)]
