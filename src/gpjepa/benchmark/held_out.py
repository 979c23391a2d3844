"""Scores of a model on what a split held out, grouped as the split groups them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.assessment import Assessment, assess
from gpjepa.api.model import GPJEPA
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import MODEL
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.data.partition import Split, truth_half
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.report_table import ALL

if TYPE_CHECKING:
    from pandas import DataFrame

EFFECT = (
    "pearson_delta",
    "pearson_perturbed",
    "slope",
    "l2",
    "norm_ratio",
    "discrimination",
    "centroid_accuracy",
)
POPULATION = ("energy_distance", "log_variance_ratio", "zero_fraction_error")
DIFFERENCE = " − "  # names rows that hold a paired difference
NB_VAE = "plain NB-VAE"  # an ablation: what the model is without JEPA
LINEAR = "linear"
REFERENCES = ("no change", "training mean", "additive")


def listed_split(data: PerturbSeq, test: Collection[str], seed: int) -> Split:
    """Return a split that holds out the listed perturbations; 15 % of the others validate."""
    rng = numpy_stream(seed, "benchmark", "listed")
    draw = schemes.listed(set(data.perturbations) - set(test), None, set(test), rng)
    truth = truth_half(data, seed, None)
    return Split("listed", seed, draw.train, draw.validation, draw.test, draw.groups, truth)


def train_and_assess(
    data: PerturbSeq, split: Split, config: Config, seed: int, device: str
) -> Assessment:
    """Run Stages A, B and C and evaluate what the split held out."""
    model = GPJEPA(data, config, split, seed=seed, device=device)
    model.pretrain()
    model.fit()
    return assess(model, data, split, seed)


def group_scores(table: DataFrame, name: str, groups: Mapping[str, str]) -> DataFrame:
    """Return mean scores of the model `name` and of each baseline, from a report's table.

    Effect metrics are means over the perturbations of a group, for baselines that apply to all of
    them, and so are the distances as shares of those of no change, the training mean and the sum;
    population metrics are means over the perturbations that respond, of all groups.
    """
    import pandas

    table = table[~table["model"].str.contains(DIFFERENCE, regex=False)]
    single = table[table["metric"].isin(EFFECT) & (table["perturbation"] != ALL)]
    single = _with_intercept(single)
    single = pandas.concat((single, *_shares(single)), ignore_index=True)
    single = single.assign(group=single["perturbation"].map(groups))
    size = single[single["model"] == name].groupby(["group", "metric"])["value"].count()
    means = single.groupby(["group", "metric", "model"], as_index=False).agg(
        value=("value", "mean"),
        floor=("floor", "mean"),
        ceiling=("ceiling", "mean"),
        n=("value", "count"),
    )
    whole = [
        n > 0 and size.get((group, metric), 0) == n
        for group, metric, n in zip(means["group"], means["metric"], means["n"], strict=True)
    ]
    cells = table[table["metric"].isin(POPULATION) & (table["perturbation"] == ALL)]
    cells = cells[np.isfinite(cells["value"])].assign(group="responding")
    return pandas.concat((means[whole], cells), ignore_index=True)[list(COLUMNS)]


def ablation_rows(scores: DataFrame, name: str) -> DataFrame:
    """Return the rows of an ablated model, called by its name; baselines are left out."""
    return scores[scores["model"] == MODEL].assign(model=name)


def _with_intercept(single: DataFrame) -> DataFrame:
    """Return the scores with those of the linear baseline's intercept where it has no embedding.

    The intercept is the training mean. Without this a baseline that fits all but one gene of a
    group would not be shown at all; one that fits less than half of the rows is left as it is.
    """
    import pandas

    keys = ["perturbation", "metric"]
    linear = single[(single["model"] == LINEAR) & single["value"].notna()]
    mean = single[single["model"] == "training mean"]
    fitted = set(zip(*(linear[key] for key in keys), strict=True))
    absent = [key not in fitted for key in zip(*(mean[key] for key in keys), strict=True)]
    if not any(absent) or sum(absent) > len(mean) / 2:
        return single
    kept = single[(single["model"] != LINEAR) | single["value"].notna()]
    return pandas.concat((kept, mean[absent].assign(model=LINEAR)), ignore_index=True)


def _shares(single: DataFrame) -> list[DataFrame]:
    """Return the rows of each model's distance as a share of that of a reference."""
    found = []
    distances = single[single["metric"] == "l2"]
    for reference in REFERENCES:
        base = distances[distances["model"] == reference].set_index("perturbation")["value"]
        scale = distances["perturbation"].map(base).to_numpy(dtype=np.float64)
        shares = {key: distances[key].to_numpy() / scale for key in ("value", "floor", "ceiling")}
        metric = f"l2_over_{reference.replace(' ', '_')}"
        found.append(distances.assign(metric=metric, **shares))
    return found
