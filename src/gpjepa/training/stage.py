"""What the loop is told: a stage, how long it is trained, and what is said on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Generator

from gpjepa.core.ranks import Ranks
from gpjepa.objectives.weights import Terms


class Stage(Protocol):
    """What the loop needs of a stage; a stage is an nn.Module."""

    name: str

    def share(self, ranks: Ranks) -> None:
        """Take this process's part of each batch from now on, or whole ones on all processes."""
        ...

    def batch(self, step: int, device: torch.device) -> Any:
        """Return the batch of a step, a pure function of the step."""
        ...

    def __call__(self, batch: Any, step: int, steps: int, generator: Generator) -> Terms:
        """Return the terms of the objective."""
        ...

    def after_step(self, step: int, steps: int) -> None:
        """Do what follows an optimizer step."""
        ...

    def parameter_groups(self, rate: float) -> list[dict[str, Any]]:
        """Return parameters with their peak learning rates."""
        ...

    def validate(self, device: torch.device) -> dict[str, float]:
        """Return validation numbers; `score` among them chooses the model."""
        ...


class WholeBatches:
    """What a stage is that is not cut: every process does the same whole batches."""

    def share(self, ranks: Ranks) -> None:
        """Do whole batches on every process, which then all do the same."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast a stage is trained."""

    steps: int
    steps_per_epoch: int
    interval: int  # steps between history rows, validations and checkpoints
    learning_rate: float
    weight_decay: float
    clip: float
    seed: int
    patience: int | None = None  # validations without gain before stopping
    identity: str = ""  # of the run, for resuming


@dataclass(frozen=True)
class Outlook:
    """What a progress display is told after each step."""

    stage: str
    step: int
    steps: int
    loss: float
    cells_per_second: float
