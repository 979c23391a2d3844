"""A file that is written chunk by chunk holds what `simulate` returns."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
import zarr
from pandas.testing import assert_frame_equal

import gpjepa
from gpjepa.data import simulator_counts, simulator_file
from gpjepa.data.simulator_file import Matrix, write_simulated
from gpjepa.data.simulator_truth import Truth

CONFIG = gpjepa.SimulationConfig(
    preset="free",
    seed=3,
    free={"genes": 40, "perturbed": 5, "pairs": 3, "responders": (0.5, 0.9)},
    cells={"control": 60, "perturbed": 20, "batches": 2, "states": 3},
)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw 25 cells at a time, and write by 512 entries in parts of 64."""
    monkeypatch.setattr(simulator_counts, "CHUNK", 1000)
    monkeypatch.setattr(simulator_file, "SHARD", 512)
    monkeypatch.setattr(simulator_file, "CHUNK", 64)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
@pytest.mark.usefixtures("small_chunks")
def test_chunks_on_disk_are_the_cells_in_memory(kind: str, tmp_path: Path) -> None:
    adata, truth = gpjepa.simulate(CONFIG)
    path = tmp_path / f"s.{kind}"
    told = write_simulated(CONFIG, path, large=0)
    assert told == {"cells": 220, "genes": 40, "perturbations": 8}
    found = anndata.read_zarr(path) if kind == "zarr" else anndata.read_h5ad(path)
    assert found.X.dtype == np.int32
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found.X, part), getattr(adata.X, part))
    assert_frame_equal(found.obs, adata.obs)
    assert_frame_equal(found.var, adata.var)
    again = Truth.from_anndata(found)
    np.testing.assert_array_equal(again.rates, truth.rates)
    assert again.config == truth.config
    disk, memory = (gpjepa.read(path, backed=x, announce=False) for x in (True, False))
    assert disk.fingerprint() == memory.fingerprint()
    assert disk.simulated


def test_a_small_file_is_written_as_before(tmp_path: Path) -> None:
    write_simulated(CONFIG, tmp_path / "s.h5ad")
    adata, _ = gpjepa.simulate(CONFIG)
    adata.write_h5ad(tmp_path / "m.h5ad")
    with h5py.File(tmp_path / "s.h5ad") as found, h5py.File(tmp_path / "m.h5ad") as expected:
        assert found["X/data"].chunks == expected["X/data"].chunks
        np.testing.assert_array_equal(found["X/data"][:], expected["X/data"][:])


@pytest.mark.usefixtures("small_chunks")
def test_an_interrupted_file_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Matrix, "end", stop)
    with pytest.raises(KeyboardInterrupt):
        write_simulated(CONFIG, tmp_path / "s.h5ad", large=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_chunks")
def test_only_whole_shards_are_written_before_the_end(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "s.zarr"), mode="w", zarr_format=3)
    matrix = Matrix(root, (3, 2000))
    rng = np.random.default_rng(0)
    parts = [rng.integers(1, 9, n).astype(np.int32) for n in (500, 300, 900)]
    lengths = []
    for part in parts:
        matrix.add(part, np.arange(len(part), dtype=np.int32))
        lengths.append(root["X/data"].shape[0])
    assert lengths == [0, 512, 1536]
    matrix.end(np.array([0, 500, 800, 1700]))
    np.testing.assert_array_equal(root["X/data"][:], np.concatenate(parts))
    assert root["X/indptr"].dtype == np.int32
