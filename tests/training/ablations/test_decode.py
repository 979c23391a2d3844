from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from gpjepa.core.config import Config
from gpjepa.core.random import torch_stream
from gpjepa.inference.cells import CellTable
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import ConditionSpec
from gpjepa.training.ablations.decode import StageDecode
from gpjepa.training.cells import gene_moments
from gpjepa.training.trainer import Plan, train_stage

CPU = torch.device("cpu")


@pytest.fixture
def cells() -> CellTable:
    """Two kinds of cells that differ threefold in half of their genes."""
    rng = np.random.default_rng(0)
    rate = np.where(np.arange(10) < 5, 3.0, 1.0)
    kind = rng.integers(0, 2, 400)
    counts = rng.poisson(np.where(kind[:, None] == 0, rate, rate[::-1]))
    return CellTable(csr_matrix(counts.astype(np.float32)), counts.sum(axis=1).astype(float))


def make_stage(cells: CellTable) -> StageDecode:
    torch.manual_seed(0)
    config = Config(encoder={"latent": 4, "hidden": 16, "layers": 1})
    spec = ConditionSpec(torch.zeros((2, 0)), 2)
    return StageDecode(WorldModel(gene_moments(cells, False), spec, config), cells, 64, 0)


def test_only_the_decoder_learns(cells) -> None:
    stage = make_stage(cells)
    stage(stage.batch(0, CPU), 0, 5, torch_stream(0, "test")).total().backward()
    assert all(parameter.grad is None for parameter in stage.encoder.parameters())
    assert all(parameter.grad is not None for parameter in stage.decoder.parameters())
    handed = [p for group in stage.parameter_groups(0.1) for p in group["params"]]
    assert {id(p) for p in handed} == {id(p) for p in stage.decoder.parameters()}


def test_the_regression_recovers_the_means_of_the_kinds_of_cells(cells, session) -> None:
    stage = make_stage(cells)
    plan = Plan(
        steps=300,
        steps_per_epoch=7,
        interval=100,
        learning_rate=0.02,
        weight_decay=0.0,
        clip=10.0,
        seed=0,
    )
    train_stage(stage, plan, session.fabric)
    counts, library = cells.dense(np.arange(len(cells)), CPU)
    with torch.no_grad():
        mean = stage.decoder(stage.encoder(counts, library), library).mean
    first = counts[:, :5].sum(dim=1) > counts[:, 5:].sum(dim=1)
    for kind in (first, ~first):
        assert torch.allclose(
            mean[kind].mean(dim=0), counts[kind].mean(dim=0), rtol=0.25
        )  # a threefold difference
