"""few-labels: does Stage A help where many cells are unlabelled and few train the predictor?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark import semi_synthetic
from gpjepa.benchmark.held_out import group_scores, train_and_assess
from gpjepa.benchmark.norman_k562 import group_of_label, screen
from gpjepa.benchmark.task import MODEL
from gpjepa.benchmark.truth import CELLS, on_cells_and_truth
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import CONTROL
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.simulator import simulate
from gpjepa.training.ablations.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

LABELLED, LABELLED_SIMULATED = 10, 5  # cells of a training perturbation that keep their label
ON_ALL = "Stage A on all cells"


@dataclass(frozen=True)
class Start:
    """What the encoder has learned from before fit: the cells of Stage A, and its settings."""

    name: str
    unlabelled: bool  # whether Stage A sees the training cells that lost their label
    settings: tuple[str, ...] = ()


STARTS = (
    Start(ON_ALL, unlabelled=True),
    Start("Stage A on the labelled", unlabelled=False),
    Start("co-expression of all, no steps", unlabelled=True, settings=("pretrain.epochs=0",)),
    Start("no Stage A", unlabelled=False, settings=FROM_SCRATCH),
)


@dataclass(frozen=True)
class FewLabels:
    """One start, on real cells or on simulated ones."""

    start: Start
    simulated: bool = False

    @property
    def __name__(self) -> str:
        """What tells the results of one start from those of another."""
        return f"few labels, {self.start.name}{', simulated' if self.simulated else ''}"

    def __call__(self, config: Config, seed: int, device: str) -> DataFrame:
        """Return one row per score; baselines, from the same few cells, beside the first start."""
        score = simulated_doubles if self.simulated else doubles
        found = score(config.override(self.start.settings), seed, device, self.start.unlabelled)
        own = found["model"] == MODEL
        kept = found if self.start.name == ON_ALL else found[own]
        return kept.assign(model=kept["model"].where(kept["model"] != MODEL, self.start.name))


def doubles(config: Config, seed: int, device: str, unlabelled: bool) -> DataFrame:
    """Score what norman-k562 holds out, after fit on ten cells of every other perturbation."""
    data, split = screen(seed)
    few, rest = few_labelled(data, split, LABELLED, seed)
    more = rest if unlabelled else None
    assessed = train_and_assess(few, split, config, seed, device, unlabelled=more)
    groups = {label: group_of_label(label) for label in split.test}
    return group_scores(assessed.report.table, assessed.report.name, groups)


def simulated_doubles(config: Config, seed: int, device: str, unlabelled: bool) -> DataFrame:
    """Score what semi-synthetic holds out, after fit on five cells of every other perturbation."""
    adata, truth = simulate(semi_synthetic.simulation(seed))
    data = read(adata, announce=False)
    fraction = semi_synthetic.DOUBLES
    split = data.split("unseen-combination", seed=seed, fraction=fraction)
    few, rest = few_labelled(data, split, LABELLED_SIMULATED, seed)
    more = rest if unlabelled else None
    assessed = train_and_assess(few, split, config, seed, device, unlabelled=more)
    return on_cells_and_truth(assessed, truth, seed, CELLS)


def few_labelled(
    data: PerturbSeq, split: Split, cells: int, seed: int
) -> tuple[PerturbSeq, AnnData]:
    """Return the data with so many cells of each training perturbation, and the cells left out.

    Controls and the cells of held-out perturbations stay as they are; none of these is among the
    cells left out, which have no label and so can only pretrain.
    """
    rng = numpy_stream(seed, "benchmark", "few labels")
    kept = np.zeros(data.n_cells, dtype=bool)
    for label in (CONTROL, *data.perturbations):
        own = np.flatnonzero(data.labels == label)
        whole = label == CONTROL or label in split.test
        kept[own if whole else rng.permutation(own)[:cells]] = True
    rest = data.subset(~kept).to_anndata()
    del rest.obs["perturbation"]
    return data.subset(kept), rest
