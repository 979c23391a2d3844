from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy import sparse

from gpjepa.data import disk_counts
from gpjepa.data.backed import open_backed
from gpjepa.data.counts import find_fault, raw_counts
from gpjepa.data.disk_counts import (
    DiskCounts,
    Stack,
    add_columns,
    chunks,
    in_memory,
    row_lengths,
    stacked_counts,
    taken,
)
from gpjepa.data.room import Room

CELLS, GENES = 300, 40


def matrix(seed: int = 0, scale: float = 0.4) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    return sparse.csr_matrix(rng.poisson(scale, (CELLS, GENES)).astype(np.float32))


def written(path: Path, counts: sparse.csr_matrix) -> Path:
    adata = anndata.AnnData(counts)
    if path.suffix == ".zarr":
        adata.write_zarr(path)
    else:
        adata.write_h5ad(path)
    return path


@pytest.fixture(params=["h5ad", "zarr"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[sparse.csr_matrix, DiskCounts]:
    counts = matrix()
    data = open_backed(written(tmp_path / f"cells.{request.param}", counts))
    found, source = raw_counts(data)
    assert source == "X"
    assert isinstance(found, DiskCounts)
    return counts, found


def same(first: sparse.csr_matrix, second: sparse.csr_matrix) -> None:
    assert first.shape == second.shape
    assert first.dtype == second.dtype
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))


def test_cells_are_read_in_the_order_asked_for(pair: tuple[sparse.csr_matrix, DiskCounts]) -> None:
    counts, disk = pair
    rows = np.random.default_rng(1).integers(-CELLS, CELLS, 200)
    for key in (rows, rows[:0], slice(7, 90, 3), np.arange(CELLS) % 3 == 0, np.arange(CELLS)):
        same(disk[key], counts[key])


def test_a_chain_of_choices_is_the_one_in_memory(
    pair: tuple[sparse.csr_matrix, DiskCounts],
) -> None:
    counts, disk = pair
    rng = np.random.default_rng(2)
    rows, genes, again = (
        rng.permutation(CELLS)[:120],
        rng.permutation(GENES)[:17],
        np.arange(0, 120, 2),
    )
    lazy = disk.take(rows)[:, genes].take(again)
    expected = counts[rows][:, genes][again]
    expected.sort_indices()
    assert lazy.shape == (60, 17)
    same(lazy.tocsr(), expected)
    assert lazy.nnz == expected.nnz
    np.testing.assert_array_equal(row_lengths(lazy), np.diff(expected.indptr))
    np.testing.assert_array_equal(lazy.sum(axis=0), np.asarray(expected.sum(axis=0)).ravel())
    np.testing.assert_array_equal(
        lazy.sum(axis=1, dtype=np.float64), np.asarray(expected.sum(axis=1)).ravel()
    )


def test_chunks_hold_every_cell_once_and_few_entries(
    pair: tuple[sparse.csr_matrix, DiskCounts],
) -> None:
    counts, disk = pair
    parts = list(disk.chunks(most=500))
    assert len(parts) > 5
    assert max(part.nnz for _, part in parts) <= 500
    assert [start for start, _ in parts] == np.cumsum([0] + [p.shape[0] for _, p in parts])[
        :-1
    ].tolist()
    same(sparse.csr_matrix(sparse.vstack([part for _, part in parts], format="csr")), counts)


@pytest.mark.parametrize("scale", [0.4, 3e4])
def test_sums_over_cells_are_those_of_scipy_bit_for_bit(scale: float) -> None:
    counts = matrix(3, scale)
    counts.data *= np.float32(1 / 3)  # sums that are rounded
    total = np.zeros(GENES, dtype=np.float32)
    for start in range(0, CELLS, 77):
        add_columns(total, counts[start : start + 77])
    np.testing.assert_array_equal(total, np.asarray(counts.sum(axis=0)).ravel())


def test_many_cells_stay_on_disk_and_few_come_into_memory(
    pair: tuple[sparse.csr_matrix, DiskCounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, disk = pair
    monkeypatch.setattr(disk_counts, "RESIDENT", 300)
    assert isinstance(taken(disk, np.arange(200)), DiskCounts)
    same(taken(disk, np.arange(10)), counts[:10])
    same(taken(counts, np.arange(10)), counts[:10])
    same(in_memory(taken(disk, np.arange(200))), counts[:200])


def test_stacked_matrices_are_one_after_the_other(
    pair: tuple[sparse.csr_matrix, DiskCounts],
) -> None:
    counts, disk = pair
    other = matrix(9)
    joined = stacked_counts([disk.take(np.arange(100)), other, disk])
    expected = sparse.csr_matrix(sparse.vstack([counts[:100], other, counts], format="csr"))
    assert isinstance(joined.source, Stack)
    same(joined.tocsr(), expected)
    rows = np.random.default_rng(4).permutation(joined.shape[0])[:150]
    same(joined[rows], expected[rows])
    same(joined[:0], expected[:0])
    np.testing.assert_array_equal(joined.lengths, np.diff(expected.indptr))


def test_stored_zeros_and_unsorted_columns_do_not_show(tmp_path: Path) -> None:
    data = np.array([3, 0, 1, 2], dtype=np.float32)
    untidy = sparse.csr_matrix((data, [5, 2, 1, 0], [0, 3, 4, 4]), shape=(3, 6))
    disk = open_backed(written(tmp_path / "untidy.h5ad", untidy)).X
    assert disk is not None
    assert find_fault(disk, ["a", "b", "c"], list("stuvwx")) is None
    np.testing.assert_array_equal(disk[:].toarray(), untidy.toarray())
    np.testing.assert_array_equal(disk[:].indices, [1, 5, 0])
    np.testing.assert_array_equal(disk.lengths, [2, 1, 0])


def test_an_index_out_of_range_is_an_index_error(
    pair: tuple[sparse.csr_matrix, DiskCounts],
) -> None:
    with pytest.raises(IndexError, match=f"out of range for {CELLS} cells"):
        pair[1][np.array([CELLS])]


def test_chunks_of_a_matrix_in_memory_are_one() -> None:
    counts = matrix()
    ((start, part),) = chunks(counts)
    assert start == 0
    assert part is counts


def test_what_is_read_into_a_room_is_what_is_read_without(
    pair: tuple[sparse.csr_matrix, DiskCounts],
) -> None:
    counts, disk = pair
    room, rng = Room(), np.random.default_rng(5)
    every = np.arange(CELLS)
    lists = (every, rng.permutation(CELLS)[:90], np.delete(every, [3, 4, 150]), every[:0])
    for rows in lists:
        same(disk.read(rows, room), counts[rows])
    some = np.arange(0, GENES, 3)
    same(disk[:, some].read(lists[1], room), counts[lists[1]][:, some])
    both = Stack([disk, counts])
    same(DiskCounts(both).read(np.r_[every, every + CELLS], room), sparse.vstack([counts, counts]))
