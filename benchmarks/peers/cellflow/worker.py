"""Turns of CellFlow in a small form on 50 principal components, as its tutorials reduce cells.

Its predictions are of those components, and no counts: nothing is added to bring them back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import anndata
import numpy as np
import scanpy
from cellflow.model import CellFlow

from benchmarks.peers.turns import Enough, Rates, Steps, serve, timed

STEPS, CELLS, WIDTH, COMPONENTS = 10, 100, 256, 50
SMALL = {
    "condition_embedding_dim": 64,
    "time_freqs": 256,
    "time_encoder_dims": (WIDTH, WIDTH),
    "hidden_dims": (WIDTH, WIDTH),
    "decoder_dims": (WIDTH, WIDTH),
}


class Counted:
    """A solver's step, counted."""

    def __init__(self, step_fn: Callable[..., Any], steps: Steps) -> None:
        self.step_fn, self.steps = step_fn, steps

    def __call__(self, *given: Any) -> Any:
        """Do a step; its loss is awaited, as the loop does."""
        loss = float(self.step_fn(*given))
        self.steps()
        return loss


class Flow:
    """A flow between control cells and those of each perturbation, told apart by name."""

    def __init__(self, file: str, folder: str, threads: int) -> None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        cells = anndata.read_h5ad(file)
        scanpy.pp.normalize_total(cells, target_sum=1e4)
        scanpy.pp.log1p(cells)
        scanpy.pp.pca(cells, n_comps=COMPONENTS)
        labels = list(cells.obs["perturbation"].cat.categories)
        named = np.eye(len(labels), dtype=np.float32)
        cells.uns["names"] = dict(zip(labels, named, strict=True))
        cells.obs["control"] = (cells.obs["perturbation"] == "control").to_numpy()
        self.flow = CellFlow(cells, solver="otfm")
        self.flow.prepare_data(
            sample_rep="X_pca",
            control_key="control",
            perturbation_covariates={"perturbation": ["perturbation"]},
            perturbation_covariate_reps={"perturbation": "names"},
        )
        self.flow.prepare_model(**SMALL)
        control = cells[cells.obs["control"].to_numpy()]
        self.control = control[: min(CELLS, control.n_obs)].copy()
        self.asked = cells.obs[~cells.obs["control"]].iloc[:1].assign(asked="one")
        self.step_fn, self.compiled = self.flow.solver.step_fn, False
        self.facts: dict[str, Any] = {
            "version": version("cellflow-tools"),
            "parameters": parameters(self.flow.solver.vf_state.params),
            "predicts": f"{COMPONENTS} components of {self.control.n_obs} control cells a call",
        }

    def train(self, batch: int) -> Rates:
        """Run its training loop for a few steps."""
        steps = Steps(STEPS)
        self.flow.solver.step_fn = Counted(self.step_fn, steps)
        with suppress(Enough):
            self.flow.train(num_iterations=1000, batch_size=batch)
        self.flow.solver.is_trained = True  # its loop says so at its end
        return steps.rates(batch)

    def predict(self) -> Rates:
        """Move control cells to one perturbation, after a first time that compiles."""
        if not self.compiled:
            self._moved()
            self.compiled = True
        return timed(self.control.n_obs, self._moved)

    def _moved(self) -> None:
        found = self.flow.predict(
            self.control, self.asked, sample_rep="X_pca", condition_id_key="asked"
        )
        assert all(np.isfinite(np.asarray(one)).all() for one in found.values())


def parameters(tree: Any) -> int:
    """Return how many numbers a nested dictionary of arrays holds."""
    if hasattr(tree, "items"):
        return sum(parameters(one) for _, one in tree.items())
    return int(tree.size)


if __name__ == "__main__":
    serve(Flow)
