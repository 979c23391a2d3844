"""Scores of a model on what a split held out, grouped as the split groups them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gpjepa.api.assessment import Assessment, assess
from gpjepa.api.model import GPJEPA
from gpjepa.core.config import Config
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.report_table import ALL

if TYPE_CHECKING:
    from pandas import DataFrame

EFFECT = ("pearson_delta", "slope", "l2", "norm_ratio")
POPULATION = ("energy_distance", "log_variance_ratio", "zero_fraction_error")
DIFFERENCE = " − "  # names rows that hold a paired difference


def train_and_assess(
    data: PerturbSeq, split: Split, config: Config, seed: int, device: str
) -> Assessment:
    """Run Stages A, B and C and evaluate what the split held out."""
    model = GPJEPA(data, config, split, seed=seed, device=device)
    if config.pretrain.epochs:
        model.pretrain()
    model.fit()
    return assess(model, data, split, seed)


def group_scores(assessed: Assessment, groups: Mapping[str, str]) -> DataFrame:
    """Return mean scores of the model and of each baseline: group, metric, model, value, ceiling.

    Effect metrics are means over the perturbations of a group, for baselines that apply to all of
    them; population metrics are means over the perturbations that respond, of all groups.
    """
    import pandas

    table = assessed.report.table
    table = table[~table["model"].str.contains(DIFFERENCE, regex=False)]
    single = table[table["metric"].isin(EFFECT) & (table["perturbation"] != ALL)]
    single = single.assign(group=single["perturbation"].map(groups))
    size = single[single["model"] == assessed.report.name].groupby(["group", "metric"]).size()
    means = single.groupby(["group", "metric", "model"], as_index=False).agg(
        value=("value", "mean"), ceiling=("ceiling", "mean"), count=("value", "count")
    )
    whole = [
        size[g, m] == n for g, m, n in zip(means.group, means.metric, means["count"], strict=True)
    ]
    means = means[whole].drop(columns="count")
    cells = table[table["metric"].isin(POPULATION) & (table["perturbation"] == ALL)]
    cells = cells.assign(group="responding")[["group", "metric", "model", "value", "ceiling"]]
    return pandas.concat((means, cells), ignore_index=True)
