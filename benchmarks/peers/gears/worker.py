"""Turns of cell-gears: its own `train` and `predict`; runs in the environment of gears_split.

It reads no network: gene sets are made up and laid where its downloader looks first, and its
graph of perturbations is built from them.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import scanpy
import torch
from gears import GEARS, PertData

from benchmarks.peers.turns import Enough, Rates, Steps, serve, timed

STEPS, BATCH, CELLS = 2, 32, 300  # its `predict` passes 300 control cells for each perturbation
SETS, OF_EACH, SHARED = 60, 12, 10  # made gene sets, sets of a gene, sets of one family
NAME = "made"


class Timed:
    """A loader whose batches are counted, as the loop asks for the next one."""

    def __init__(self, loader: Any, steps: Steps) -> None:
        self.loader, self.steps = loader, steps

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            yield batch
            self.steps()


class Gears:
    """A prepared model; preprocessing and graphs are made on first use of `folder`."""

    def __init__(self, file: str, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        data = prepared(file, Path(folder))
        data.prepare_split(split="no_test", seed=1)
        data.get_dataloader(batch_size=BATCH)
        self.data = data
        self.gears = GEARS(data, device="cpu")
        self.gears.model_initialize(hidden_size=64)
        self.pairs = combinations(self.gears.pert_list, 2)
        self.facts: dict[str, Any] = {
            "version": version("cell-gears"),
            "parameters": sum(x.numel() for x in self.gears.model.parameters()),
            "predicts": f"the mean of {CELLS} control cells passed, one pair of genes a call",
        }

    def train(self, batch: int) -> Rates:
        """Run its training loop for a few batches."""
        steps = Steps(STEPS, warm=0)
        self.data.get_dataloader(batch_size=batch)
        loader = Timed(self.data.dataloader["train_loader"], steps)
        self.gears.dataloader = {**self.data.dataloader, "train_loader": loader}
        with suppress(Enough):
            self.gears.train(epochs=1)
        return steps.rates(batch)

    def predict(self) -> Rates:
        """Ask for a pair that was not asked for before: answers are kept."""
        pair = list(next(self.pairs))
        return timed(CELLS, lambda: self.gears.predict([pair]))


def gene_sets(genes: list[str], seed: int = 0) -> dict[str, set[str]]:
    """Return made sets of every gene; genes of one family share most of theirs.

    Families of 25 give each gene of the graph at least the 20 neighbours that are kept.
    """
    draw = random.Random(seed)
    made = {}
    for row, gene in enumerate(genes):
        family = row // 25
        own = {f"family-{family}-{one}" for one in range(SHARED)}
        made[gene] = own | {f"set-{one}" for one in draw.sample(range(SETS), OF_EACH - SHARED)}
    return made


def prepared(file: str, folder: Path) -> PertData:
    """Return its data object, processed as its documentation says, or loaded if it was before."""
    folder = folder / "gears"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # it writes the graph to ./data
    cells = anndata.read_h5ad(file)
    genes = list(cells.var_names)
    with (folder / "gene2go_all.pkl").open("wb") as target:
        pickle.dump(gene_sets(genes), target)
    with (folder / "perturbed.pkl").open("wb") as target:
        pickle.dump(perturbed_genes(cells), target)
    data = PertData(str(folder), gene_set_path=str(folder / "perturbed.pkl"))
    if not (folder / NAME / "data_pyg" / "cell_graphs.pkl").is_file():
        scanpy.pp.normalize_total(cells, target_sum=1e4)
        scanpy.pp.log1p(cells)
        cells.obs["condition"] = [condition(str(label)) for label in cells.obs["perturbation"]]
        cells.obs["cell_type"] = "made"
        cells.var["gene_name"] = genes
        cells.uns["non_zeros_gene_idx"] = expressed(cells)
        data.new_data_process(dataset_name=NAME, adata=cells, skip_calc_de=True)
    data.load(data_path=str(folder / NAME))
    return data


def perturbed_genes(cells: anndata.AnnData) -> list[str]:
    """Return the genes that some cell is perturbed by."""
    labels = {str(label) for label in cells.obs["perturbation"].unique()} - {"control"}
    return sorted({gene for label in labels for gene in label.split("+")})


def expressed(cells: anndata.AnnData) -> dict[str, np.ndarray]:
    """Return the genes that its loss counts of each condition, under the names that it gives them.

    Those above zero in some cell of the condition; its own search for differential genes would
    find them too, and takes most of its preprocessing.
    """
    found = {}
    for name in cells.obs["condition"].unique():
        counts = cells.X[(cells.obs["condition"] == name).to_numpy()]
        dose = "1+1" if "+" in name else "1"
        found[f"made_{name}_{dose}"] = np.flatnonzero(np.asarray(counts.sum(axis=0)).ravel())
    return found


def condition(label: str) -> str:
    """Return a label as it writes it: ctrl, A+ctrl, A+B."""
    if label == "control":
        return "ctrl"
    return label if "+" in label else f"{label}+ctrl"


if __name__ == "__main__":
    serve(Gears)
