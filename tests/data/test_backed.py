from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas
import pytest
from scipy import sparse

import gpjepa
from gpjepa.core.errors import DataError
from gpjepa.data import backed
from gpjepa.data.backed import BackedData, matrix_bytes, open_backed, opened
from gpjepa.data.disk_counts import DiskCounts

CELLS, GENES = 20, 6


def made(kind=sparse.csr_matrix) -> anndata.AnnData:
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (CELLS, GENES)).astype(np.float32)
    obs = pandas.DataFrame({"perturbation": ["control", "A"] * (CELLS // 2)})
    obs.index = [f"cell{row}" for row in range(CELLS)]
    return anndata.AnnData(kind(counts), obs=obs, var=pandas.DataFrame(index=list("ABCDEF")))


def written(adata: anndata.AnnData, path: Path) -> Path:
    adata.write_zarr(path) if path.suffix == ".zarr" else adata.write_h5ad(path)
    return path


@pytest.fixture(params=["h5ad", "zarr"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"cells.{request.param}"


def test_counts_of_a_large_file_stay_on_disk_and_that_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    adata = made()
    written(adata, path)
    assert matrix_bytes(path) == 8 * adata.X.nnz
    assert isinstance(opened(path), anndata.AnnData)
    monkeypatch.setattr(backed, "IN_MEMORY", 8 * adata.X.nnz - 1)
    assert isinstance(opened(path, announce=True), BackedData)
    assert "counts stay on disk" in capsys.readouterr().err
    assert isinstance(opened(path, backed=False), anndata.AnnData)


def test_layers_and_raw_are_found_where_they_are_in_memory(path: Path) -> None:
    adata = made()
    adata.raw = adata
    adata.layers["counts"] = adata.X.copy()
    adata.X = sparse.csr_matrix(np.log1p(adata.X.toarray()))
    adata.uns["simulated"] = True
    written(adata, path)
    for layer in (None, "counts", "raw.X"):
        disk, memory = (
            gpjepa.read(path, layer=layer, backed=each, announce=False) for each in (True, False)
        )
        assert isinstance(disk.counts, DiskCounts)
        assert disk.roles == memory.roles
        assert disk.simulated
        assert disk.fingerprint() == memory.fingerprint()


@pytest.mark.parametrize("change", ["log", "negative", "nan", "normal", "large"])
def test_what_is_no_count_is_refused_in_the_same_words(path: Path, change: str) -> None:
    adata = made()
    values = adata.X.toarray().astype(np.float64)
    values = (
        values / values.sum(axis=1, keepdims=True) * 1e4 if change in ("log", "normal") else values
    )
    values = np.log1p(values) if change == "log" else values
    if change in ("negative", "nan", "large"):
        values[7, 2] = {"negative": -3.0, "nan": np.nan, "large": 2.0**25}[change]
    adata.X = sparse.csr_matrix(values)
    written(adata, path)
    said = []
    for each in (True, False):
        with pytest.raises(DataError) as caught:
            gpjepa.read(path, backed=each, announce=False)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_matrix_that_is_not_csr_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(made(np.asarray), path)
    with pytest.raises(DataError, match="has no CSR matrix.*--in-memory"):
        opened(path, backed=True)
    monkeypatch.setattr(backed, "matrix_bytes", lambda _: 2**40)
    assert isinstance(opened(path), anndata.AnnData)


def test_rows_of_another_width_are_refused(path: Path) -> None:
    import h5py
    import zarr

    written(made(), path)
    root = (
        h5py.File(path, "r+") if path.suffix == ".h5ad" else zarr.open_group(str(path), mode="r+")
    )
    root["X"].attrs["shape"] = [CELLS, GENES + 1]
    root.close() if path.suffix == ".h5ad" else zarr.consolidate_metadata(str(path))
    with pytest.raises(DataError, match=rf"are {CELLS} × {GENES + 1}; expected .* {GENES} genes"):
        open_backed(path)


def test_an_object_is_in_memory_already() -> None:
    with pytest.raises(DataError, match="pass the path"):
        opened(made(), backed=True)
