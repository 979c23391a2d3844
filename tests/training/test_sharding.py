"""Nothing is cut here; with two processes it is in tests/distributed."""

from __future__ import annotations

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import ModelParallelStrategy
from torch import nn

from gpjepa.training.processes import open_fabric
from gpjepa.training.sharding import cut_like, refresh, whole, working_copy


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.same = self.first
        self.cells = [1, 2, 3]
        self.register_buffer("seen", torch.zeros(2))


def test_a_stage_is_trained_itself_where_nothing_is_cut() -> None:
    stage = Small()
    assert working_copy(stage, open_fabric("cpu")) is stage
    before = stage.first.weight.clone()
    refresh(stage, stage)
    assert torch.equal(stage.first.weight, before)


@pytest.fixture
def cutting(monkeypatch: pytest.MonkeyPatch) -> Fabric:
    fabric = open_fabric("cpu")
    strategy = ModelParallelStrategy(lambda module, mesh: module)
    monkeypatch.setattr(fabric, "_strategy", strategy)
    return fabric


def test_a_copy_has_modules_of_its_own_and_the_same_cells(cutting: Fabric) -> None:
    stage = Small()
    working = working_copy(stage, cutting)
    assert working.cells is stage.cells
    assert working.first is working.same is not stage.first
    with torch.no_grad():
        working.first.weight.add_(1.0)
        working.seen.add_(0.0)
    assert not torch.equal(working.first.weight, stage.first.weight)
    refresh(stage, working)
    assert torch.equal(working.first.weight, stage.first.weight)


def test_what_is_not_cut_is_whole() -> None:
    value = torch.ones(3)
    assert whole(value) is value
    assert cut_like(value, torch.zeros(3)) is value
