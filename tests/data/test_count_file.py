from __future__ import annotations

import os
import shutil
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
import zarr
from scipy import sparse

import gpjepa
from gpjepa.core.errors import DataError
from gpjepa.data import count_file
from gpjepa.data.anndata_io import open_anndata
from gpjepa.data.backed import open_backed
from gpjepa.data.count_file import CountFile, row_ranges
from gpjepa.data.room import Room

CELLS, GENES = 400, 30


def counts() -> sparse.csr_matrix:
    rng = np.random.default_rng(0)
    return sparse.csr_matrix(rng.poisson(1.0, (CELLS, GENES)).astype(np.float32))


def adata() -> anndata.AnnData:
    made = anndata.AnnData(counts())
    made.obs["perturbation"] = ["control", "A"] * (CELLS // 2)
    return made


@pytest.fixture
def h5ad(tmp_path: Path) -> Path:
    adata().write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A zarr v3 store whose counts lie in shards of several chunks."""
    path = tmp_path / "cells.zarr"
    with anndata.settings.override(zarr_write_format=3):
        adata().write_zarr(path)
    group, matrix = zarr.open_group(str(path), mode="r+"), counts()
    for name, values in (("data", matrix.data), ("indices", matrix.indices.astype("<i4"))):
        del group["X"][name]
        group["X"].create_array(name, data=values, chunks=(100,), shards=(1000,))
    zarr.consolidate_metadata(str(path))
    return path


def file_of(path: Path) -> CountFile:
    found = open_backed(path).X
    assert found is not None
    assert isinstance(found.source, CountFile)
    return found.source


def test_a_sharded_store_gives_the_cells_that_it_holds(store: Path) -> None:
    rows = np.array([0, 3, 4, 5, 200, 399])
    found = file_of(store).gather(rows)
    np.testing.assert_array_equal(found.toarray(), counts()[rows].toarray())
    assert file_of(store).grain == 100


STORED = {
    "as written": {},
    "chunked": {"chunks": (64,)},
    "compressed": {"chunks": (64,), "compression": "gzip"},
    "integers": {"dtype": "i4"},
    "wide": {"dtype": "f8"},
    "large places": {"dtype": "i8"},
}


@pytest.mark.parametrize("kind", [*STORED, "store"])
def test_rows_come_in_the_order_asked_for(
    kind: str, h5ad: Path, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue("store") if kind == "store" else h5ad
    if kind in STORED:
        with h5py.File(h5ad, "r+") as handle:
            for name in ("indices",) if kind == "large places" else ("data", "indices"):
                given = handle["X"][name][:]
                del handle["X"][name]
                layout = {"dtype": "i4" if name == "indices" else "f4", **STORED[kind]}
                layout |= {"dtype": "i4"} if name == "indices" and kind == "wide" else {}
                handle["X"].create_dataset(name, data=given, **layout)
    file, rng, room = file_of(path), np.random.default_rng(1), Room()
    assert (file._plain is not None) == (kind in ("as written", "chunked", "integers"))
    every = np.arange(CELLS)
    lists = (rng.permutation(CELLS), rng.integers(0, CELLS, 900), every, every[40:50], every[:0])
    for rows in lists:
        expected = counts()[rows]
        for found in (file.gather(rows), file.gather(rows, room)):
            assert found.dtype == np.float32
            for part in ("indptr", "indices", "data"):
                np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


def test_what_lies_between_cells_is_dropped(h5ad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(1, CELLS, 3)
    expected = counts()[rows]
    for read, gap in ((2**22, 2**11), (50, 0), (50, 1000)):
        monkeypatch.setattr(count_file, "READ", read)
        monkeypatch.setattr(count_file, "GAP", gap)
        found = file_of(h5ad).gather(rows)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.data, expected.data)
        np.testing.assert_array_equal(found.indptr, expected.indptr)


def test_a_truncated_file_is_named(h5ad: Path) -> None:
    os.truncate(h5ad, h5ad.stat().st_size * 2 // 3)
    with pytest.raises(DataError, match=r"cells\.h5ad.*cannot be read.*copy or download it again"):
        gpjepa.read(h5ad, backed=True, announce=False)


def test_a_file_that_is_truncated_while_it_is_read_is_named(h5ad: Path) -> None:
    data = gpjepa.read(h5ad, backed=True, announce=False)
    os.truncate(h5ad, h5ad.stat().st_size * 2 // 3)
    with pytest.raises(DataError, match=r"cells\.h5ad.*changed while it was read"):
        data.counts[np.arange(5)]


def test_a_file_that_is_truncated_between_the_look_and_the_read_is_named(
    h5ad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = gpjepa.read(h5ad, backed=True, announce=False)
    os.truncate(h5ad, 3000)
    monkeypatch.setattr(CountFile, "refuse_change", lambda file: None)
    with pytest.raises(DataError, match=r"cells\.h5ad.*the file ends at byte.*copy or download"):
        data.counts[np.arange(CELLS)]


@pytest.mark.parametrize("kind", ["h5ad", "store"])
def test_a_file_that_is_written_to_while_it_is_read_is_named(
    kind: str, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(kind)
    data = gpjepa.read(path, backed=True, announce=False)
    assert data.counts[np.arange(5)].shape == (5, GENES)
    part = path if path.is_file() else next((path / "X" / "data" / "c").iterdir())
    content = part.read_bytes()
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    told = part.stat()
    os.utime(part, ns=(told.st_atime_ns, told.st_mtime_ns + 10**9))  # clocks may be coarse
    with pytest.raises(DataError, match="changed while it was read.*nothing writes to it"):
        data.counts[np.arange(5)]


def test_a_file_that_is_gone_is_named(store: Path) -> None:
    data = gpjepa.read(store, backed=True, announce=False)
    shutil.rmtree(store)
    with pytest.raises(DataError, match=r"cells\.zarr"):
        data.counts[np.arange(5)]


@pytest.mark.parametrize("backed", [True, False])
def test_a_missing_chunk_is_not_read_as_zeros(store: Path, backed: bool) -> None:
    next((store / "X" / "data" / "c").iterdir()).unlink()
    with pytest.raises(DataError, match=r"'X/data' has 7 of 8 chunks.*copy it again"):
        gpjepa.read(store, backed=backed, announce=False)


def test_a_damaged_chunk_is_named(store: Path) -> None:
    part = next((store / "X" / "indices" / "c").iterdir())
    content = bytearray(part.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)
    part.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"'X' of '.*cells\.zarr' cannot be read"):
        gpjepa.read(store, backed=True, announce=False)


def change(path: Path, name: str, at: int, value: float) -> None:
    with h5py.File(path, "r+") as handle:
        handle["X"][name][at] = value


@pytest.mark.parametrize("index", [GENES, -1])
def test_a_column_index_out_of_range_is_named(h5ad: Path, index: int) -> None:
    change(h5ad, "indices", 77, index)
    with pytest.raises(DataError, match=f"a column index is {index} of {GENES} genes"):
        gpjepa.read(h5ad, backed=True, announce=False)


def test_row_pointers_that_fall_or_do_not_end_are_named(h5ad: Path) -> None:
    with h5py.File(h5ad, "r") as handle:
        third = int(handle["X"]["indptr"][3])
    change(h5ad, "indptr", 2, third + 1)
    with pytest.raises(DataError, match="row pointers fall"):
        open_backed(h5ad)
    change(h5ad, "indptr", 2, third)
    change(h5ad, "indptr", CELLS, 5)
    with pytest.raises(DataError, match="5 entries by its pointers"):
        open_backed(h5ad)


def test_the_same_store_is_read_into_memory(store: Path) -> None:
    np.testing.assert_array_equal(open_anndata(store).X.toarray(), counts().toarray())


def test_runs_of_rows_hold_few_entries_and_all_rows() -> None:
    lengths = np.array([3, 0, 4, 9, 1, 1, 1])
    assert list(row_ranges(lengths, 7)) == [(0, 3), (3, 4), (4, 7)]
    assert list(row_ranges(lengths[:0], 7)) == []
