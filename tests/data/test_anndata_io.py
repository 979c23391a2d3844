from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.anndata_io import open_anndata, unique_names, write_anndata, write_beside


@pytest.mark.parametrize("name", ["F.h5ad", "F.zarr"])
def test_what_was_written_is_read_back(adata, tmp_path: Path, name: str) -> None:
    path = write_anndata(adata, tmp_path / "deep" / name)
    again = open_anndata(str(path))
    assert (again.X != adata.X).nnz == 0
    assert list(again.obs["perturbation"]) == list(adata.obs["perturbation"])
    assert [p.name for p in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", ["F.h5ad", "F.zarr"])
def test_writing_again_replaces_the_file(adata, tmp_path: Path, name: str) -> None:
    write_anndata(adata, tmp_path / name)
    write_anndata(adata[:5].copy(), tmp_path / name)
    assert open_anndata(tmp_path / name).n_obs == 5


def test_an_anndata_is_passed_through(adata) -> None:
    assert open_anndata(adata) is adata


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.h5ad' is not there; expected an h5ad file"):
        open_anndata(tmp_path / "absent.h5ad")


@pytest.mark.parametrize("content", [b"", b"gene,cell\nA,1\n"])
def test_a_file_that_is_not_h5ad_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.h5ad"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not an h5ad file .*; expected .*; convert it first"):
        open_anndata(path)


def test_hdf5_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "matrix.h5"
    with h5py.File(path, "w") as handle:
        handle["matrix"] = np.arange(3)
    with pytest.raises(DataError, match=r"HDF5 but not h5ad \(top level: matrix\); expected obs"):
        open_anndata(path)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_a_truncated_h5ad_is_refused(adata, tmp_path: Path, share: float) -> None:
    path = write_anndata(adata, tmp_path / "F.h5ad")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="expected a whole h5ad file; it is truncated or damaged"):
        open_anndata(path)


def test_a_damaged_h5ad_is_refused(adata, tmp_path: Path) -> None:
    path = write_anndata(adata, tmp_path / "F.h5ad")
    with h5py.File(path, "a") as handle:
        del handle["X/indptr"]
    with pytest.raises(DataError, match="cannot be read .*; it is truncated or damaged"):
        open_anndata(path)


def test_a_directory_that_is_not_zarr_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="folder' is not a zarr store; expected"):
        open_anndata(tmp_path / "folder")


def test_a_damaged_zarr_store_is_refused(adata, tmp_path: Path) -> None:
    path = write_anndata(adata, tmp_path / "F.zarr")
    for part in (path / "X").rglob("*"):
        if part.is_file():
            part.write_bytes(b"\0")
    with pytest.raises(DataError, match="zarr store .* cannot be read"):
        open_anndata(path)


def test_an_object_of_another_type_is_refused() -> None:
    with pytest.raises(DataError, match="of type 'list'; expected an AnnData object or the path"):
        open_anndata([1, 2])


def test_repeated_names_are_counted_and_the_first_named() -> None:
    names = np.array(["a", "b", "a", "c", "b"], dtype=object)
    with pytest.raises(DataError, match="2 cell names occur more than once \\(first: 'a'\\)"):
        unique_names(names, "cell")
    with pytest.raises(DataError, match="var_names_make_unique"):
        unique_names(names, "gene")


def test_no_names_are_refused() -> None:
    with pytest.raises(DataError, match="the data have 0 genes; expected at least one"):
        unique_names(np.array([], dtype=object), "gene")


@pytest.mark.parametrize("name", ["cells.h5ad", "cells.zarr"])
def test_entries_are_written_beside_what_a_file_holds(tmp_path: Path, name: str) -> None:
    source, out = tmp_path / name, tmp_path / f"out-{name}"
    counts = sparse.csr_matrix(np.arange(12.0, dtype=np.float32).reshape(4, 3))
    write_anndata(anndata.AnnData(counts), source)
    latents = np.ones((4, 2), dtype=np.float32)
    write_beside(source, out, "obsm", {"X_gpjepa": latents})
    found = open_anndata(out)
    np.testing.assert_array_equal(found.obsm["X_gpjepa"], latents)
    np.testing.assert_array_equal(found.X.toarray(), counts.toarray())
    assert "X_gpjepa" not in open_anndata(source).obsm
    assert {path.name for path in tmp_path.iterdir()} == {name, f"out-{name}"}


def test_a_copy_of_another_format_is_refused(tmp_path: Path) -> None:
    source = write_anndata(anndata.AnnData(np.eye(3, dtype=np.float32)), tmp_path / "c.h5ad")
    with pytest.raises(DataError, match="expected the name of an h5ad file"):
        write_beside(source, tmp_path / "out.zarr", "obsm", {})
