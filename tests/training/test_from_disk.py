"""Training from disk gives what training from memory gives."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import gpjepa
from gpjepa.core.errors import DataError
from gpjepa.data import disk_counts
from gpjepa.data.disk_counts import DiskCounts
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.selection import select_genes
from gpjepa.inference import ahead
from gpjepa.training.pipeline import Session
from gpjepa.training.processes import open_fabric
from gpjepa.training.trainer import Outlook


@pytest.fixture
def file(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny screen in a file, and so little memory that next to nothing of it may be kept."""
    monkeypatch.setattr(disk_counts, "RESIDENT", 300)
    monkeypatch.setattr(ahead, "ENTRIES", 2000)
    path = tmp_path / "cells.h5ad"
    tiny.make_cells(batches=2).write_h5ad(path)
    return path


def read(path: Path, backed: bool) -> PerturbSeq:
    return gpjepa.read(path, backed=backed, announce=False)


@pytest.mark.parametrize("genes", [None, 15])
def test_the_fitted_model_is_the_same_to_the_last_bit(tiny, file: Path, genes: int | None) -> None:
    models = []
    for backed in (False, True):
        data = read(file, backed)
        config = tiny.make_config(data={"genes": genes}, pretrain={"epochs": 0, "min_steps": 1})
        model = gpjepa.GPJEPA(data, config, tiny.make_split(data))
        model.fit()
        models.append(model)
    memory, disk = models
    first, second = (model._training().prepared for model in models)
    assert isinstance(second.training.table.counts, DiskCounts)
    assert not isinstance(first.training.table.counts, DiskCounts)
    assert first.genes == second.genes
    for one, other in ((first.observed, second.observed), (first.validation, second.validation)):
        for part in ("effect", "error", "control_error", "cells"):
            np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
    states = [model.bundle.model.state_dict() for model in models]
    for name, value in states[0].items():
        np.testing.assert_array_equal(value.numpy(), states[1][name].numpy(), err_msg=name)
    assert memory.bundle.calibration == disk.bundle.calibration
    controls = [model.controls.table.counts.toarray() for model in models]
    np.testing.assert_array_equal(*controls)


def test_a_file_on_disk_has_the_fingerprint_notes_and_genes_of_one_in_memory(file: Path) -> None:
    memory, disk = read(file, False), read(file, True)
    assert isinstance(disk.counts, DiskCounts)
    assert memory.fingerprint() == disk.fingerprint()
    assert memory.notes == disk.notes
    np.testing.assert_array_equal(memory.library, disk.library)
    rows = np.arange(0, memory.n_cells, 2)
    assert select_genes(memory, rows, 12) == select_genes(disk, rows, 12)
    assert memory.roles == disk.roles


def pretrained(tiny, file: Path, folder: Path, watch=None, resume: bool = False):
    data = read(file, True)
    config = tiny.make_config(pretrain={"epochs": 9, "max_steps": 30})
    model = gpjepa.GPJEPA(data, config, tiny.make_split(data))
    session = Session(
        fabric=open_fabric("cpu"), seed=3, folder=folder, resume=resume, watch=watch, identity="x"
    )
    model.pretrain(session=session)
    return model.encoder_bundle().encoder.state_dict()


def test_a_damaged_file_stops_training_with_a_checkpoint_that_goes_on(
    tiny, file: Path, tmp_path: Path
) -> None:
    whole = pretrained(tiny, file, tmp_path / "whole")
    kept = shutil.copy2(file, tmp_path / "kept.h5ad")

    def damage(outlook: Outlook) -> None:
        if outlook.step == 7:
            os.truncate(file, 1000)

    with pytest.raises(DataError, match=r"cells\.h5ad.*changed while it was read"):
        pretrained(tiny, file, tmp_path / "run", watch=damage)
    assert (tmp_path / "run" / "pretrain.safetensors").exists()
    shutil.copy2(kept, file)
    steps: list[int] = []
    found = pretrained(
        tiny, file, tmp_path / "run", watch=lambda told: steps.append(told.step), resume=True
    )
    assert 7 < steps[0] < 30
    assert {name for name, value in whole.items() if not torch.equal(value, found[name])} == set()
