"""The tasks: what each benchmark trains on, holds out and scores for one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark.cell_types import neighbour_accuracy
from gpjepa.benchmark.held_out import group_scores, train_and_assess
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.gene_features import set_matrix
from gpjepa.data.labels import members_of
from gpjepa.data.perturbseq import read
from gpjepa.data.splits import demo_split

if TYPE_CHECKING:
    from pandas import DataFrame

STRONG = ("IFNGR1", "IFNGR2", "JAK2", "SMAD4", "STAT1")  # papalexi targets with clear effects


@dataclass(frozen=True)
class Task:
    """A named benchmark; `score(config, seed, device)` returns one row per score.

    Rows: group, metric, model, value, ceiling.
    """

    name: str
    title: str
    score: Callable[[Config, int, str], DataFrame]


def norman_k562(config: Config, seed: int, device: str) -> DataFrame:
    """Hold out the doubles with both singles and three singles; score them and the baselines."""
    data = read(datasets.load("norman-k562"), announce=False)
    split = demo_split(data, seed, set(set_matrix().position))
    assessed = train_and_assess(data, split, config, seed, device)
    groups = {
        label: "doubles" if len(members_of(label)) > 1 else "unseen singles" for label in split.test
    }
    return group_scores(assessed, groups)


def papalexi_thp1(config: Config, seed: int, device: str) -> DataFrame:
    """Train on everything: are the effects of the targets that respond recovered in full?"""
    data = read(datasets.load("papalexi-thp1"), announce=False)
    split = data.split("none", seed=seed)
    assessed = train_and_assess(data, split, config, seed, device)
    groups = {label: label if label in STRONG else "other targets" for label in assessed.labels}
    return group_scores(assessed, groups)


def kang_pbmc(config: Config, seed: int, device: str) -> DataFrame:
    """Stage A alone, labels unseen: cell types by nearest neighbours, against PCA."""
    return neighbour_accuracy(config, seed, device)


TASKS = (
    Task("norman-k562", "five held-out doubles and three unseen singles", norman_k562),
    Task("papalexi-thp1", "effects recovered with nothing held out", papalexi_thp1),
    Task("kang-pbmc", "cell types in embeddings of Stage A", kang_pbmc),
)


def spread(values: np.ndarray) -> float:
    """Return the standard deviation over seeds, 0 for one seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
