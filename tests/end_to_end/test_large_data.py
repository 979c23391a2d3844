"""Counts on disk or in memory, and several files as one, through the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

PLACES = ("--on-disk", "--in-memory")
VERBS = ("check", "pretrain", "train", "embed")


def words(verb: str, data: Any, out: Path, tiny: Any, trained: Path) -> list[object]:
    """Return the command line of a verb on some data."""
    match verb:
        case "check":
            return [verb, data, "--json"]
        case "embed":
            return [verb, trained, data, "--out", out]
        case _:
            return [verb, data, "--out", out, "--quiet", "--device", "cpu", *tiny()]


@pytest.fixture(scope="module")
def lanes(screen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the screen cut into two files, one of them a store with genes in another order."""
    folder = tmp_path_factory.mktemp("lanes")
    cells = anndata.read_h5ad(screen)
    cells[::2].copy().write_h5ad(folder / "lane1.h5ad")
    cells[1::2, ::-1].copy().write_zarr(folder / "lane2.zarr")
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_a_dense_matrix_is_read_in_memory_and_refused_on_disk(
    verb: str, command: Any, screen: Path, trained: Path, tiny: Any, tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(screen)
    cells.X = cells.X.toarray()
    cells.write_h5ad(tmp_path / "dense.h5ad")
    out = tmp_path / "out.h5ad"
    line = words(verb, tmp_path / "dense.h5ad", out, tiny, trained)
    refused = command(*line, "--on-disk")
    assert refused.code == 3
    assert "has no CSR matrix (X); expected counts stored as CSR" in refused.err
    assert "--in-memory" in refused.err
    assert not out.exists()
    assert command(*line, "--in-memory").code == 0


def test_a_check_says_the_same_on_disk_and_in_memory(command: Any, screen: Path) -> None:
    disk, memory = (command("check", screen, "--json", place) for place in PLACES)
    assert disk.code == 0, disk.err
    assert disk.out == memory.out


def test_training_from_an_encoder_ends_with_the_same_model(
    command: Any, screen: Path, tiny: Any, tmp_path: Path
) -> None:
    encoder = tmp_path / "encoder"
    told = ("--split", "unseen-combination", "--quiet", "--device", "cpu", *tiny())
    done = command("pretrain", screen, "--out", encoder, "--on-disk", *told)
    assert done.code == 0, done.err
    for place in PLACES:
        out = tmp_path / place.strip("-")
        done = command("train", screen, "--out", out, "--encoder", encoder, place, *told)
        assert done.code == 0, done.err
    disk, memory = (tmp_path / place.strip("-") for place in PLACES)
    assert (disk / "model.safetensors").read_bytes() == (memory / "model.safetensors").read_bytes()


def test_embedding_from_disk_writes_what_memory_does(
    command: Any, screen: Path, trained: Path, tmp_path: Path
) -> None:
    for place in PLACES:
        done = command("embed", trained, screen, "--out", tmp_path / f"{place[2:]}.h5ad", place)
        assert done.code == 0, done.err
    disk, memory = (anndata.read_h5ad(tmp_path / f"{place[2:]}.h5ad") for place in PLACES)
    np.testing.assert_array_equal(disk.obsm["X_gpjepa"], memory.obsm["X_gpjepa"])
    assert (disk.X != memory.X).nnz == 0


@pytest.mark.parametrize("place", PLACES)
def test_a_pattern_a_directory_and_a_list_are_checked_alike(
    place: str, command: Any, lanes: Path
) -> None:
    told = ("--json", "--control", "control", place)
    listed = command("check", lanes / "lane1.h5ad", lanes / "lane2.zarr", *told)
    assert listed.code == 0, listed.err
    assert command("check", lanes / "lane*", *told).out == listed.out
    assert command("check", lanes, *told).out == listed.out
    assert json.loads(listed.out)["cells"] == 484


def test_lanes_are_pretrained_and_trained_on_and_evaluated(
    command: Any, lanes: Path, tiny: Any, tmp_path: Path
) -> None:
    told = ("--split", "unseen-combination", "--batch", "file", "--on-disk", *tiny())
    pretrained = command("pretrain", lanes, "--out", tmp_path / "encoder", *told)
    assert pretrained.code == 0, pretrained.err
    start = ("--encoder", tmp_path / "encoder")
    done = command("train", lanes / "lane*", "--out", tmp_path / "run", *start, *told)
    assert done.code == 0, done.err
    assert "2 files joined on the 30 genes" in done.err
    assert "batch: column 'file'" in done.err
    record = json.loads((tmp_path / "run" / "data.json").read_text())
    assert record["path"] == [str(lanes / "lane1.h5ad"), str(lanes / "lane2.zarr")]
    assert record["roles"]["batch"] == "file"
    controls = anndata.read_h5ad(tmp_path / "run" / "controls.h5ad")
    assert set(controls.obs["batch"]) == {"lane1", "lane2"}
    scored = command("evaluate", tmp_path / "run", "--out", tmp_path / "scores")
    assert scored.code == 0, scored.err


@pytest.mark.parametrize("place", PLACES)
def test_lanes_are_embedded_one_by_one(
    place: str, command: Any, lanes: Path, screen: Path, trained: Path, tmp_path: Path
) -> None:
    done = command("embed", trained, lanes / "*", "--out", tmp_path / "z", place)
    assert done.code == 0, done.err
    command("embed", trained, screen, "--out", tmp_path / "whole.h5ad")
    whole = anndata.read_h5ad(tmp_path / "whole.h5ad").obsm["X_gpjepa"]
    first = anndata.read_h5ad(tmp_path / "z" / "lane1.h5ad").obsm["X_gpjepa"]
    second = anndata.read_zarr(tmp_path / "z" / "lane2.zarr").obsm["X_gpjepa"]
    np.testing.assert_allclose(first, whole[::2], atol=1e-5)
    np.testing.assert_allclose(second, whole[1::2], atol=1e-5)


@pytest.mark.parametrize("verb", VERBS)
def test_a_pattern_without_a_file_is_bad_data(
    verb: str, command: Any, trained: Path, tiny: Any, tmp_path: Path
) -> None:
    done = command(*words(verb, tmp_path / "lane-*.h5ad", tmp_path / "out", tiny, trained))
    assert done.code == 3
    assert "no file matches" in done.err
