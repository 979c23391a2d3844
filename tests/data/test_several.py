"""Patterns and directories stand for the files that they match, in the order of their names."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas
import pytest
from scipy import sparse

import gpjepa
from gpjepa.core.errors import DataError
from gpjepa.data.several import all_sources, file_names


def lane(seed: int, **columns: object) -> anndata.AnnData:
    counts = np.random.default_rng(seed).poisson(2.0, (8, 5)).astype(np.float32)
    obs = pandas.DataFrame(
        {"perturbation": ["control", "A"] * 4, **columns},
        index=[f"{seed}-{row}" for row in range(8)],
    )
    return anndata.AnnData(
        sparse.csr_matrix(counts), obs=obs, var=pandas.DataFrame(index=list("ABCDE"))
    )


@pytest.fixture
def lanes(tmp_path: Path) -> Path:
    """Return a directory of three files, and others that are no data."""
    folder = tmp_path / "lanes"
    folder.mkdir()
    lane(2).write_h5ad(folder / "b.h5ad")
    lane(1).write_h5ad(folder / "a.h5ad")
    lane(3).write_zarr(folder / "c.zarr")
    (folder / "notes.txt").write_text("no data")
    (folder / ".half.h5ad").write_bytes(b"")
    return folder


def test_a_directory_is_its_files_by_name(lanes: Path) -> None:
    found = all_sources(lanes)
    assert [Path(file).name for file in found] == ["a.h5ad", "b.h5ad", "c.zarr"]
    listed = gpjepa.read(found, announce=False)
    data = gpjepa.read(lanes, announce=False)
    assert data.fingerprint() == listed.fingerprint()
    assert data.cells.tolist()[::8] == ["1-0", "2-0", "3-0"]


def test_a_pattern_is_the_files_that_match_it(lanes: Path) -> None:
    assert [Path(f).name for f in all_sources(str(lanes / "*.h5ad"))] == ["a.h5ad", "b.h5ad"]
    assert all_sources(str(lanes / "a*")) == str(lanes / "a.h5ad")
    data = gpjepa.read(str(lanes / "[ab].h5ad"), announce=False)
    assert data.n_cells == 16


def test_patterns_stand_among_files_in_the_order_given(lanes: Path) -> None:
    found = all_sources([lanes / "c.zarr", str(lanes / "*.h5ad")])
    assert [Path(file).name for file in found] == ["c.zarr", "a.h5ad", "b.h5ad"]


def test_a_file_whose_name_looks_like_a_pattern_is_the_file(tmp_path: Path) -> None:
    odd = tmp_path / "[ab].h5ad"
    lane(1).write_h5ad(odd)
    lane(2).write_h5ad(tmp_path / "a.h5ad")
    assert all_sources(str(odd)) == str(odd)


def test_a_store_is_one_file_and_other_data_are_left_alone(lanes: Path) -> None:
    cells = lane(1)
    assert all_sources(lanes / "c.zarr") == lanes / "c.zarr"
    assert all_sources(cells) is cells
    assert all_sources("not-there.h5ad") == "not-there.h5ad"


def test_nothing_found_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file matches '.*lane-\*\.h5ad'; expected .* pattern"):
        gpjepa.read(str(tmp_path / "lane-*.h5ad"))
    with pytest.raises(DataError, match="not a zarr store and holds no file ending in .h5ad or"):
        gpjepa.read(tmp_path)


def test_a_file_named_twice_is_refused(lanes: Path) -> None:
    with pytest.raises(DataError, match=r"a\.h5ad' is named twice"):
        gpjepa.read([str(lanes / "*.h5ad"), lanes / "a.h5ad"])


def test_files_are_called_by_as_little_as_tells_them_apart() -> None:
    assert file_names(["x/a.h5ad", Path("b.zarr"), lane(1)]) == ["a", "b", "data set 3"]
    assert file_names(["x/1/c.h5ad", "x/2/c.h5ad", "y/2/c.h5ad"]) == ["x/1/c", "x/2/c", "y/2/c"]


def test_each_file_can_be_a_batch(lanes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = gpjepa.read(lanes)
    assert plain.batch is None
    assert "obs column 'file' names each cell's file" in capsys.readouterr().err
    data = gpjepa.read(lanes, batch="file", announce=False)
    assert data.batch.tolist() == ["a"] * 8 + ["b"] * 8 + ["c"] * 8
    assert data.roles.batch == "file"
    assert data.fingerprint() == plain.fingerprint()


def test_a_column_of_that_name_in_the_files_is_kept(tmp_path: Path) -> None:
    parts = [lane(seed, file=[f"plate{seed}"] * 8) for seed in (1, 2)]
    data = gpjepa.read(parts, batch="file", announce=False)
    assert set(data.batch) == {"plate1", "plate2"}
