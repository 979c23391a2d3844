"""Training state on disk: one safetensors file per stage, replaced whole."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from gpjepa.core.errors import CheckpointError
from gpjepa.core.files import write_atomic
from gpjepa.inference.tensors import read_metadata, read_tensors
from gpjepa.training.sharding import cut_like, whole
from gpjepa.training.updates import Updates


@dataclass
class Progress:
    """Where a stage is: everything that is not a tensor. Sums of terms are since the last row."""

    step: int = 0
    best_score: float | None = None
    best_step: int = 0
    stale: int = 0
    finished: bool = False
    seconds: float = 0.0
    sums: dict[str, list[float]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def save_checkpoint(
    path: Path,
    module: nn.Module,
    updates: Updates,
    progress: Progress,
    identity: str,
    write: bool = True,
) -> None:
    """Write module, updates and progress to `path`, atomically.

    `identity` says which run the state belongs to: a resume with another one is refused. Of
    several processes all take part and one is to `write`. Raises `StorageError` when the disk is
    full; what was at `path` stays.
    """
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    for index, state in enumerate(updates.states()):
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    tensors = {name: whole(value.detach()) for name, value in tensors.items()}
    if not write:
        return
    contiguous = {name: value.cpu().contiguous() for name, value in tensors.items()}
    metadata = {"progress": json.dumps(asdict(progress)), "identity": identity}
    write_atomic(path, lambda temporary: _save_for_good(contiguous, temporary, metadata))


def _save_for_good(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write a safetensors file through to the disk, before it takes the place of an older one."""
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        raise OSError(errno_of(error), str(error), str(path)) from error
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def errno_of(error: SafetensorError) -> int:
    """Return the number of the system's error that safetensors met; 0 for none that it names."""
    found = re.search(r"code: (\d+)|os error (\d+)", str(error))
    return 0 if found is None else int(found[1] or found[2])


def load_checkpoint(path: Path, module: nn.Module, updates: Updates, identity: str) -> Progress:
    """Restore `module` and `updates` in place and return the progress.

    Raises `CheckpointError` when the file is damaged or of another run.
    """
    tensors, metadata = read_tensors(path)
    _refuse_identity(path, metadata, identity)
    own = {name[7:]: value for name, value in tensors.items() if name.startswith("module.")}
    for name, value in module.state_dict().items():
        if name in own:
            own[name] = cut_like(own[name], value)
    try:
        module.load_state_dict(own, strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r} does not fit the model ({error}); expected the same "
            "config; start a new run"
        ) from error
    updates.restore(_states_of(tensors, len(updates.states())))
    return Progress(**json.loads(metadata["progress"]))


def refuse_other(folder: Path, identity: str) -> None:
    """Raise `CheckpointError` when a checkpoint in `folder` is damaged or of another run."""
    for path in sorted(folder.glob("*.safetensors")):
        _refuse_identity(path, read_metadata(path), identity)


def _refuse_identity(path: Path, metadata: dict[str, str], identity: str) -> None:
    if metadata.get("identity") != identity:
        raise CheckpointError(
            f"checkpoint {str(path)!r} is of another run (other data, roles, split, config, seed "
            "or encoder); expected the run that is resumed; start a new run or pass the same "
            "arguments"
        )


def _states_of(tensors: dict[str, torch.Tensor], count: int) -> list[dict[str, torch.Tensor]]:
    """Return what a file has of each of the parameters that are updated."""
    found: list[dict[str, torch.Tensor]] = [{} for _ in range(count)]
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        index, _, what = rest.partition(".")
        if kind == "optimizer":
            found[int(index)][what] = value
    return found
