"""Training from disk gives what training from memory gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gpjepa
from gpjepa.data import disk_counts
from gpjepa.data.disk_counts import DiskCounts
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.selection import select_genes

GENES = 60


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cells = {"control": 150, "perturbed": 12}
    config = gpjepa.SimulationConfig(preset="free", free={"genes": GENES}, cells=cells)
    adata, _ = gpjepa.simulate(config)
    path = tmp_path_factory.mktemp("data") / "cells.h5ad"
    adata.write_h5ad(path)
    return path


def read(path: Path, backed: bool) -> PerturbSeq:
    return gpjepa.read(path, backed=backed, announce=False)


def fitted(data: PerturbSeq, genes: int | None) -> gpjepa.GPJEPA:
    config = gpjepa.Config(
        data={"genes": genes},
        encoder={"hidden": 32, "latent": 8},
        pretrain={"epochs": 0},
        fit={"epochs": 1, "min_steps": 6, "max_steps": 6, "batch_size": 48},
    )
    model = gpjepa.GPJEPA(data, config, data.split("unseen-perturbation"))
    model.fit()
    return model


@pytest.mark.parametrize("genes", [None, 40])
def test_the_fitted_model_is_the_same_to_the_last_bit(
    file: Path, genes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_counts, "RESIDENT", 2000)
    memory, disk = (fitted(read(file, backed), genes) for backed in (False, True))
    first, second = memory._training().prepared, disk._training().prepared
    assert isinstance(second.training.table.counts, DiskCounts)
    assert not isinstance(first.training.table.counts, DiskCounts)
    assert first.genes == second.genes
    for one, other in ((first.observed, second.observed), (first.validation, second.validation)):
        for part in ("effect", "error", "control_error", "cells"):
            np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
    states = [model.bundle.model.state_dict() for model in (memory, disk)]
    assert {k for k, v in states[0].items() if not torch.equal(v, states[1][k])} == set()
    assert memory.bundle.calibration == disk.bundle.calibration
    np.testing.assert_array_equal(
        memory.controls.table.counts.toarray(), disk.controls.table.counts.toarray()
    )


def test_a_file_on_disk_has_the_fingerprint_notes_and_genes_of_one_in_memory(file: Path) -> None:
    memory, disk = read(file, False), read(file, True)
    assert isinstance(disk.counts, DiskCounts)
    assert memory.fingerprint() == disk.fingerprint()
    assert memory.notes == disk.notes
    np.testing.assert_array_equal(memory.library, disk.library)
    rows = np.arange(0, memory.n_cells, 2)
    assert select_genes(memory, rows, 35) == select_genes(disk, rows, 35)
    assert memory.roles == disk.roles


def test_pretraining_from_disk_visits_blocks_and_learns(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_counts, "RESIDENT", 2000)
    data = read(file, True)
    config = gpjepa.Config(
        encoder={"hidden": 32, "latent": 8},
        pretrain={"epochs": 3, "min_steps": 30, "max_steps": 60, "batch_size": 64},
    )
    first, second = (gpjepa.GPJEPA(data, config).pretrain().history for _ in range(2))
    assert first.equals(second)
    loss = first[(first.term == "predict") & (first["set"] == "train")].value.to_numpy()
    assert np.isfinite(loss).all()
