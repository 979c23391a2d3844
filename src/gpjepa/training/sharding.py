"""Parameters that are cut among processes: the copy that is trained, and the whole ones."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import ModelParallelStrategy
from torch import Tensor, nn


def cut(module: nn.Module, mesh: Any) -> nn.Module:
    """Cut the parameters of a module among processes, its gradients and optimizer state too."""
    from torch.distributed.fsdp import fully_shard

    fully_shard(module, mesh=mesh["data_parallel"])
    return module


def is_cut(fabric: Fabric) -> bool:
    """Tell whether the parameters of what a fabric trains are cut among its processes."""
    return isinstance(fabric.strategy, ModelParallelStrategy)


def working_copy(stage: Any, fabric: Fabric) -> Any:
    """Return what is trained of a stage: itself, or a copy whose parameters can be cut.

    Modules are copied, cells and the like are not.
    """
    if not is_cut(fabric):
        return stage
    working = copy(stage)
    working._modules = deepcopy(stage._modules)
    working._buffers = dict(stage._buffers)
    return working


@torch.no_grad()
def refresh(stage: Any, working: Any) -> None:
    """Bring the whole parameters of the working copy into the stage; all processes take part."""
    if stage is working:
        return
    own = stage.state_dict()
    for name, value in working.state_dict().items():
        own[name].copy_(whole(value))


def whole(value: Tensor) -> Tensor:
    """Return a tensor with the parts that other processes have; all of them take part."""
    gather = getattr(value, "full_tensor", None)
    found: Tensor = value if gather is None else gather()
    return found


def cut_like(value: Tensor, other: Tensor) -> Tensor:
    """Return a whole tensor cut as `other` is; the same where it is not, or has another shape."""
    mesh = getattr(other, "device_mesh", None)
    if mesh is None or value.shape != other.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    placements = other.placements  # type: ignore[attr-defined]
    return distribute_tensor(value.to(other.device), mesh, placements)
