"""Our turns: steps of Stages B and C, and populations of raw counts through `predict`."""

from __future__ import annotations

from typing import Any

import anndata
import torch

import gpjepa
from benchmarks.peers.turns import Enough, Rates, Steps, serve, timed
from benchmarks.stages import Stepper, stage_of, trainee

STEPS, LABELS, CELLS = 8, 4, 300
FITTED = 4  # steps of the model that predicts: its speed is not a matter of how well it is fitted


class Ours:
    """One stage of training, and a model that was fitted for a few steps."""

    def __init__(self, file: str, folder: str, batch: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.batch = batch
        part = {"epochs": 1, "min_steps": FITTED, "max_steps": FITTED, "validations": 1}
        config = gpjepa.Config(data={"genes": None}, fit={**part, "batch_size": batch})
        columns = {"perturbation": "perturbation", "library": "total_counts"}
        data = gpjepa.read(anndata.read_h5ad(file), announce=False, **columns)
        self.model = gpjepa.GPJEPA(data, config, data.split("none"))
        self.model.fit()
        self.labels = data.perturbations[:LABELS]
        self.stepper = Stepper(stage_of(self.model._training(), "bc"))
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


if __name__ == "__main__":
    serve(Ours)
