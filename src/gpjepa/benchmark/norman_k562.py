"""norman-k562: five doubles with both singles, and three genes never perturbed, held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpjepa.benchmark.held_out import NB_VAE, ablation_rows, group_scores, train_and_assess
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.gene_features import set_matrix
from gpjepa.data.labels import members_of
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.splits import demo_split
from gpjepa.training.ablations import ablated

if TYPE_CHECKING:
    from pandas import DataFrame


def held_out(config: Config, seed: int, device: str) -> DataFrame:
    """Score the doubles with both singles and three singles of genes that are in no double."""
    data, split = screen(seed)
    assessed = train_and_assess(data, split, config, seed, device)
    groups = {label: group_of_label(label) for label in split.test}
    return group_scores(assessed.report.table, assessed.report.name, groups)


def screen(seed: int) -> tuple[PerturbSeq, Split]:
    """Return the cells and the split of a seed."""
    data = read(datasets.load("norman-k562"), announce=False)
    return data, demo_split(data, seed, set(set_matrix().position))


def group_of_label(label: str) -> str:
    """Return the group that a held-out perturbation is scored in."""
    return "doubles" if len(members_of(label)) > 1 else "unseen genes"


def plain_nb_vae(config: Config, seed: int, device: str) -> DataFrame:
    """Score the model without JEPA, a plain conditional NB-VAE, as `held_out` scores ours."""
    return ablation_rows(held_out(ablated(config, NB_VAE), seed, device), NB_VAE)
