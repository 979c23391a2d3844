"""papalexi-thp1: knockouts never seen, a replicate never seen, and plain recovery."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from gpjepa.api.model import GPJEPA
from gpjepa.benchmark.contexts import score_context
from gpjepa.benchmark.held_out import group_scores, listed_split, train_and_assess
from gpjepa.benchmark.unseen_tables import score_unseen
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.inference.bundle import EncoderBundle

if TYPE_CHECKING:
    from pandas import DataFrame

RESPONDING = (
    ("IFNGR1", "STAT1", "CUL3"),
    ("JAK2", "SMAD4", "STAT2"),
    ("IFNGR2", "IRF1", "BRD4"),
)  # the targets with a measurable effect, a strong one of the pathway in every third
NINE = tuple(target for third in RESPONDING for target in third)
REPLICATE = "bio_rep"
STRONG = ("IFNGR1", "IFNGR2", "JAK2", "SMAD4", "STAT1")


def load() -> PerturbSeq:
    """Return the cells with their replicate as batch."""
    return read(datasets.load("papalexi-thp1"), batch=REPLICATE, announce=False)


def unseen_targets(config: Config, seed: int, device: str) -> DataFrame:
    """Score responding targets left out one at a time, a third a seed: three seeds cover all.

    Stage A, which takes no label, runs once without the cells of the whole third.
    """
    import pandas

    data, third = load(), RESPONDING[seed % len(RESPONDING)]
    encoder = encoder_without(data, third, config, seed, device)
    tables = []
    for target in third:
        split = listed_split(data, (target,), seed)
        assessed = train_and_assess(data, split, config, seed, device, encoder=encoder)
        tables.append(assessed.report.table)
    groups = dict.fromkeys(third, "targets left out")
    return group_scores(pandas.concat(tables, ignore_index=True), assessed.report.name, groups)


def encoder_without(
    data: PerturbSeq, targets: Collection[str], config: Config, seed: int, device: str
) -> EncoderBundle:
    """Return the encoder of Stage A on all training cells but those of the targets."""
    model = GPJEPA(data, config, listed_split(data, targets, seed), seed=seed, device=device)
    model.pretrain()
    return model.encoder_bundle()


def targets_by_table(config: Config, seed: int, device: str) -> DataFrame:
    """Score all nine, left out one at a time, predicted from a table without a cell model."""
    data = load()
    splits = [listed_split(data, (target,), seed) for target in NINE]
    return score_unseen(data, splits, "targets left out, by table", seed)


def unseen_replicate(config: Config, seed: int, device: str) -> DataFrame:
    """Score every target in a replicate of which only control cells were trained on.

    The nine that respond are a group, the others, mostly without any effect, another.
    """
    data = load()
    levels = sorted(set(data.covariate(REPLICATE)))
    level = levels[seed % len(levels)]
    group = "replicate left out"
    return score_context(data, REPLICATE, level, group, config, seed, device, NINE)


def recovered(config: Config, seed: int, device: str) -> DataFrame:
    """Score the fit with nothing held out: are strong effects recovered in full?"""
    data = load()
    split = data.split("none", seed=seed)
    assessed = train_and_assess(data, split, config, seed, device)
    groups = {label: "recovered" for label in assessed.labels if label in STRONG}
    found = group_scores(assessed.report.table, assessed.report.name, groups)
    return found[found["group"] == "recovered"]
