"""norman-singles: single genes never perturbed, in 65,359 cells with 23 measured genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpjepa.benchmark.held_out import group_scores, train_and_assess
from gpjepa.benchmark.unseen_tables import score_unseen
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.perturbseq import read

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_STEPS = 3000  # of either stage: six passes over the cells in each


def unseen_genes(config: Config, seed: int, device: str) -> DataFrame:
    """Score a quarter of the perturbed genes, of which no cell was trained on."""
    data = read(datasets.load("norman-singles"), announce=False)
    split = data.split("unseen-perturbation", seed=seed)
    assessed = train_and_assess(data, split, shortened(config), seed, device)
    groups = dict.fromkeys(split.test, "unseen genes")
    return group_scores(assessed.report.table, assessed.report.name, groups)


def by_table(config: Config, seed: int, device: str) -> DataFrame:
    """Score the same genes, predicted from the table of measured effects without a cell model."""
    data = read(datasets.load("norman-singles"), announce=False)
    split = data.split("unseen-perturbation", seed=seed)
    return score_unseen(data, [split], "unseen genes, by table", seed)


def shortened(config: Config) -> Config:
    """Return the settings with at most so many steps that 65,359 cells take minutes."""
    steps = (
        f"pretrain.max_steps={min(config.pretrain.max_steps, MOST_STEPS)}",
        f"fit.max_steps={min(config.fit.max_steps, MOST_STEPS)}",
    )
    return config.override(steps)
