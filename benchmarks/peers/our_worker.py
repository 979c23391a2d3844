"""Our turns: steps of Stages B and C, and populations of raw counts through `predict`."""

from __future__ import annotations

from copy import copy, deepcopy
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

    def __init__(self, file: str, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        config = gpjepa.Config(data={"genes": None})
        columns = {"perturbation": "perturbation", "library": "total_counts"}
        data = gpjepa.read(anndata.read_h5ad(file), announce=False, **columns)
        model = gpjepa.GPJEPA(data, config, device="cpu")
        self.trainee, self.steppers = model._training(), {}
        stage = self._stepper(config.fit.batch_size).stage
        self.model, self.labels = unasked(model, stage), data.perturbations[:LABELS]
        self.model.predict(self.labels[:1], cells=8)  # compiles
        self.facts: dict[str, Any] = {
            "version": gpjepa.__version__,
            "parameters": sum(x.numel() for x in stage.model.parameters()),
            "default batch": config.fit.batch_size,
            "predicts": f"raw counts, {CELLS} cells of each of {LABELS} perturbations a call",
        }

    def train(self, batch: int) -> Rates:
        """Take steps of Stages B and C by hand."""
        steps, step = Steps(STEPS), self._stepper(batch)
        try:
            while True:
                step()
                steps()
        except Enough:
            return steps.rates(batch)

    def predict(self) -> Rates:
        """Draw populations."""
        return timed(LABELS * CELLS, lambda: self.model.predict(self.labels, cells=CELLS))

    def _stepper(self, batch: int) -> Stepper:
        """Return a stage at a batch size after its first steps; the data are prepared once."""
        if batch not in self.steppers:
            trainee = copy(self.trainee)
            trainee.config = gpjepa.Config(data={"genes": None}, fit={"batch_size": batch})
            self.steppers[batch] = Stepper(stage_of(trainee, "bc"))
            for _ in range(FITTED):
                self.steppers[batch]()
        return self.steppers[batch]


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
