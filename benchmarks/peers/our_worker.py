"""Our turns: steps of Stages B and C, and populations of raw counts through `predict`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import anndata
import torch

import gpjepa
from benchmarks.peers.turns import Enough, Rates, Steps, serve, timed
from benchmarks.stages import Stepper, stage_of
from gpjepa.inference.bundle import Bundle
from gpjepa.inference.calibration import Calibration
from gpjepa.training.stage_bc import StageBC

STEPS, LABELS, CELLS = 8, 4, 300
FITTED = 4  # steps of the model that predicts: its speed is not a matter of how well it is fitted


class Ours:
    """One stage of training, and its network after a few steps as a model that predicts."""

    def __init__(self, file: str, folder: str, batch: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.batch = batch
        config = gpjepa.Config(data={"genes": None}, fit={"batch_size": batch})
        columns = {"perturbation": "perturbation", "library": "total_counts"}
        data = gpjepa.read(anndata.read_h5ad(file), announce=False, **columns)
        model = gpjepa.GPJEPA(data, config, device="cpu")
        self.stepper = Stepper(stage_of(model._training(), "bc"))
        for _ in range(FITTED):
            self.stepper()
        self.model, self.labels = unasked(model, self.stepper.stage), data.perturbations[:LABELS]
        self.model.predict(self.labels[:1], cells=8)  # compiles
        self.facts: dict[str, Any] = {
            "version": gpjepa.__version__,
            "parameters": sum(x.numel() for x in self.stepper.stage.model.parameters()),
            "batch": batch,
            "default batch": gpjepa.Config().fit.batch_size,
            "predicts": f"raw counts, {CELLS} cells of each of {LABELS} perturbations a call",
        }

    def train(self) -> Rates:
        """Take steps of Stages B and C by hand."""
        steps = Steps(STEPS)
        try:
            while True:
                self.stepper()
                steps()
        except Enough:
            return steps.rates(self.batch)

    def predict(self) -> Rates:
        """Draw populations."""
        return timed(LABELS * CELLS, lambda: self.model.predict(self.labels, cells=CELLS))


def unasked(model: gpjepa.GPJEPA, stage: StageBC) -> gpjepa.GPJEPA:
    """Return a model that predicts with a stage's network as it is now.

    Validation was not asked: no calibration and no mixture of responders, neither of which the
    population of a measured perturbation needs.
    """
    trainee = model._training()
    bundle = Bundle(
        trainee.config,
        trainee.panel,
        trainee.prepared.vocabulary,
        deepcopy(stage.model).eval().requires_grad_(False),
        deepcopy(stage.embedder()).eval(),
        Calibration(),
    )
    return gpjepa.GPJEPA._restored(bundle, model._controls, None)


if __name__ == "__main__":
    serve(Ours)
