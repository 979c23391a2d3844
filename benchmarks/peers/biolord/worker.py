"""Turns of biolord: its own `train`, and the means that its `predict` gives for measured cells."""

from __future__ import annotations

import warnings
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import anndata
import numpy as np
import scanpy
import torch
from biolord import Biolord

from benchmarks.peers.counted import Counted
from benchmarks.peers.turns import Rates, Steps, serve, timed

warnings.filterwarnings("ignore")
STEPS, CELLS = 10, 1024


class Lord:
    """A model of log-normalised cells with perturbation and batch as attributes."""

    def __init__(self, file: str, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        cells = anndata.read_h5ad(file)
        scanpy.pp.normalize_total(cells, target_sum=1e4)
        scanpy.pp.log1p(cells)
        Biolord.setup_anndata(cells, categorical_attributes_keys=["perturbation", "batch"])
        self.model, self.some = Biolord(cells), np.arange(min(CELLS, cells.n_obs))
        self.asked = cells[self.some].copy()
        self.facts: dict[str, Any] = {
            "version": version("biolord"),
            "parameters": sum(x.numel() for x in self.model.module.parameters()),
            "predicts": f"means of {len(self.some)} measured cells a call",
        }

    def train(self, batch: int) -> Rates:
        """Run its training for a few batches."""
        steps = Steps(STEPS)
        quiet = {"enable_progress_bar": False, "logger": False, "enable_checkpointing": False}
        with suppress(KeyboardInterrupt, SystemExit):
            self.model.train(
                max_epochs=100,
                batch_size=batch,
                accelerator="cpu",
                callbacks=[Counted(steps)],
                limit_val_batches=0,
                num_sanity_val_steps=0,
                **quiet,
            )
        return steps.rates(batch)

    def predict(self) -> Rates:
        """Ask for the means of the same cells."""
        return timed(len(self.some), lambda: self.model.predict(self.asked))


if __name__ == "__main__":
    serve(Lord)
