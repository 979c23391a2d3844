"""Stages of training on made cells, stepped by hand, for timing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from anndata import AnnData

import gpjepa
from gpjepa.api.training import Trainee, gated_genes
from gpjepa.core.memory import keep_freed_memory
from gpjepa.core.random import torch_stream
from gpjepa.training import pipeline
from gpjepa.training.trainer import Plan
from gpjepa.training.updates import PackedUpdates

STEPS = 10_000  # of a schedule, of which a few are taken


def trainee(cells: AnnData, batch: int) -> Trainee:
    """Prepare training on `cells` with `batch` target cells a step in both stages."""
    config = gpjepa.Config(
        data={"genes": None}, pretrain={"batch_size": batch}, fit={"batch_size": batch}
    )
    data = gpjepa.read(cells, perturbation="perturbation", library="total_counts", announce=False)
    return Trainee(data, data.split("none"), config, None, 0, "cpu")


def stage_of(prepared: Trainee, name: str) -> Any:
    """Return Stage A ("a") or Stages B and C ("bc") as training builds them, untrained."""
    taken: list[Any] = []

    def take(stage: Any, plan: Plan, session: pipeline.Session) -> None:
        taken.append(stage)

    before, pipeline._trained = pipeline._trained, take  # type: ignore[assignment]
    try:
        if name == "a":
            cells, target = prepared.prepared.training.table, prepared.prepared.moments.target
            pipeline.run_stage_a(prepared.encoder, cells, target, prepared.config, prepared.session)
        else:
            observed, gated = prepared.prepared.observed, gated_genes(prepared.prepared)
            composition = prepared._composition(observed, gated, 0)
            pipeline.run_stage_bc(
                prepared.prepared,
                prepared.encoder,
                None,
                prepared.config,
                prepared.session,
                composition,
            )
    finally:
        pipeline._trained = before  # type: ignore[assignment]
    return taken[0]


@dataclass
class Stepper:
    """One step of a stage, part by part; `parts` names them in order."""

    stage: Any
    step: int = 0

    def __post_init__(self) -> None:
        self.updates = PackedUpdates(self.stage.parameter_groups(1e-3), 1e-2, clip=10.0)
        self.stage.train()
        keep_freed_memory()  # as the loop of training does

    def parts(self) -> dict[str, Callable[[], None]]:
        """Return what a step does, in order."""
        return {
            "data": self._data,
            "forward": self._forward,
            "backward": self._backward,
            "updates": self.updates.step,
            "teacher": self._teacher,
        }

    def __call__(self) -> None:
        """Do a whole step."""
        for part in self.parts().values():
            part()

    def _data(self) -> None:
        self.batch = self.stage.batch(self.step, torch.device("cpu"))

    def _forward(self) -> None:
        generator = torch_stream(0, self.stage.name, "step", self.step)
        self.total = self.stage(self.batch, self.step, STEPS, generator).total()

    def _backward(self) -> None:
        self.total.backward()

    def _teacher(self) -> None:
        self.stage.after_step(self.step, STEPS)
        self.step += 1
