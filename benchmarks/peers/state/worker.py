"""Turns of STATE: the transition model that its small configuration makes, under its own trainer.

Batches are made dense beforehand: its reader of files is not timed.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import anndata
import lightning.pytorch as lightning
import numpy as np
import scanpy
import torch
from omegaconf import OmegaConf
from state.tx.models.state_transition import StateTransitionPerturbationModel

from benchmarks.peers.counted import Counted
from benchmarks.peers.turns import Rates, Steps, serve, timed

STEPS, KEPT, ASKED = 2, 2, 2048  # steps a turn, batches made, cells predicted
CLIP = 10.0  # of its training configuration
Batch = dict[str, torch.Tensor]


class Transition:
    """A model of log-normalised genes; sets of one perturbation beside sets of control cells."""

    def __init__(self, file: str, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.folder = folder
        cells = anndata.read_h5ad(file)
        scanpy.pp.normalize_total(cells)
        scanpy.pp.log1p(cells)
        settings = OmegaConf.create(
            {"model": OmegaConf.load(str(files("state.configs") / "model" / "state_sm.yaml"))}
        )
        kwargs = OmegaConf.to_container(settings.model.kwargs, resolve=True)
        self.set_length = kwargs["cell_set_len"]
        self.cells, self.asked = cells, made_batches(cells, ASKED, self.set_length)[0]
        width, kinds = cells.n_vars, cells.obs["perturbation"].nunique()
        self.model = StateTransitionPerturbationModel(
            input_dim=width, output_dim=width, gene_dim=width, hvg_dim=width, pert_dim=kinds,
            batch_dim=1, embed_key=None, output_space="gene", control_pert="control", **kwargs,
        )  # fmt: skip
        self.facts: dict[str, Any] = {
            "version": version("arc-state"),
            "parameters": sum(x.numel() for x in self.model.parameters()),
            "predicts": f"log-normalised genes of {ASKED} cells a call, in sets of "
            f"{self.set_length}",
        }

    def train(self, batch: int) -> Rates:
        """Let its trainer take a few steps."""
        steps = Steps(STEPS, warm=0)
        trainer = lightning.Trainer(
            max_steps=100, accelerator="cpu", gradient_clip_val=CLIP, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            callbacks=[Counted(steps)], default_root_dir=self.folder,
        )  # fmt: skip
        made = made_batches(self.cells, batch, self.set_length)
        batches = torch.utils.data.DataLoader(made * 50, batch_size=None)
        with suppress(KeyboardInterrupt, SystemExit):
            trainer.fit(self.model, batches)
        return steps.rates(batch)

    def predict(self) -> Rates:
        """Predict the cells of one batch."""
        self.model.eval()
        with torch.no_grad():
            return timed(ASKED, lambda: self.model.predict_step(self.asked, 0))


def made_batches(cells: anndata.AnnData, batch: int, set_length: int, seed: int = 0) -> list[Batch]:
    """Return a few batches: sets of cells of one perturbation, and as many control cells."""
    draw = np.random.default_rng(seed)
    codes = cells.obs["perturbation"].cat.codes.to_numpy()
    labels = cells.obs["perturbation"].cat.categories
    control = np.flatnonzero(codes == labels.get_loc("control"))
    named = torch.eye(len(labels))
    found = []
    for _ in range(KEPT):
        kinds = draw.choice(np.setdiff1d(codes, codes[control]), batch // set_length)
        rows = [draw.choice(np.flatnonzero(codes == kind), set_length) for kind in kinds]
        found.append(
            {
                "pert_emb": named[torch.from_numpy(np.repeat(kinds, set_length)).long()],
                "ctrl_cell_emb": dense(cells, draw.choice(control, batch)),
                "pert_cell_emb": dense(cells, np.concatenate(rows)),
            }
        )
    return found


def dense(cells: anndata.AnnData, rows: np.ndarray) -> torch.Tensor:
    """Return the expression [rows, G] of some cells, dense."""
    return torch.from_numpy(cells.X[rows].toarray())


if __name__ == "__main__":
    serve(Transition)
