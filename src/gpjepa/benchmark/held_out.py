"""Scores of a model on what a split held out, grouped as the split groups them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.assessment import Assessment, assess
from gpjepa.api.model import GPJEPA
from gpjepa.benchmark.scores import COLUMNS, EACH
from gpjepa.benchmark.task import MODEL
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.data.partition import Split, truth_half
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.generative import responders
from gpjepa.evaluation.report_table import ALL
from gpjepa.inference.bundle import EncoderBundle

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame, Series

EFFECT = (
    "pearson_delta",
    "pearson_perturbed",
    "slope",
    "l2",
    "norm_ratio",
    "discrimination",
    "centroid_accuracy",
)
REPRESENTATION = ("neighbourhood_overlap", "effective_rank", "held_out_similarity")
POPULATION = ("energy_distance", "log_variance_ratio", "zero_fraction_error")
CELLS = ", cells"  # ends the name of a group whose populations are scored
DIFFERENCE = " − "  # names rows that hold a paired difference
NB_VAE = "plain NB-VAE"  # an ablation: what the model is without JEPA
LINEAR, MEAN = "linear", "training mean"
KEYS = ("group", "metric", "model")
MEANS: Mapping[str, tuple[str, str]] = {
    name: (name, "mean") for name in ("value", "floor", "ceiling")
}
REFERENCES = ("no change", MEAN, "additive")
BETTER = ("no change", MEAN)  # the better of the two, by mean distance in a group


def listed_split(data: PerturbSeq, test: Collection[str], seed: int) -> Split:
    """Return a split that holds out the listed perturbations; 15 % of the others validate."""
    rng = numpy_stream(seed, "benchmark", "listed")
    draw = schemes.listed(set(data.perturbations) - set(test), None, set(test), rng)
    truth = truth_half(data, seed, None)
    return Split("listed", seed, draw.train, draw.validation, draw.test, draw.groups, truth)


def train_and_assess(
    data: PerturbSeq,
    split: Split,
    config: Config,
    seed: int,
    device: str,
    *,
    unlabelled: AnnData | None = None,
    encoder: EncoderBundle | None = None,
) -> Assessment:
    """Train, see `trained`, and evaluate what the split held out."""
    model = trained(data, split, config, seed, device, unlabelled=unlabelled, encoder=encoder)
    return assess(model, data, split, seed)


def trained(
    data: PerturbSeq,
    split: Split,
    config: Config,
    seed: int,
    device: str,
    *,
    unlabelled: AnnData | None = None,
    encoder: EncoderBundle | None = None,
) -> GPJEPA:
    """Run Stages A, B and C on what the split trains on.

    Stage A learns from `unlabelled` cells too; with an `encoder` of another run it is left out.
    """
    model = GPJEPA(data, config, split, seed=seed, device=device)
    if encoder is None:
        model.pretrain(unlabelled)
    else:
        model.use_encoder(deepcopy(encoder))  # fit trains it in place
    model.fit()
    return model


def group_scores(table: DataFrame, name: str, groups: Mapping[str, str]) -> DataFrame:
    """Return mean scores of the model `name` and of each baseline, from a report's table.

    Effect metrics are means over the perturbations of a group, for baselines that apply to all of
    them, and so are the distances as shares of those of no change, the training mean, the sum, and
    the better of the first two, which is the one with the smaller mean distance in the group.
    Population metrics are means over those of a group that respond, in the group "GROUP, cells".
    The column `each` holds the values behind a mean. A table of several reports is of them
    together.
    """
    import pandas

    table = table[~table["model"].str.contains(DIFFERENCE, regex=False)]
    one = table[table["perturbation"] != ALL]
    one = one.assign(group=one["perturbation"].map(groups)).dropna(subset="group")
    single = _with_intercept(one[one["metric"].isin(EFFECT)])
    single = pandas.concat((single, *_shares(single)), ignore_index=True)
    frames = (
        _means(single, name),
        _means(_with_intercept(_responding(one)), name),
        _representation(table, name),
    )
    return pandas.concat(frames, ignore_index=True)[[*COLUMNS, EACH]]


def ablation_rows(scores: DataFrame, name: str) -> DataFrame:
    """Return the rows of an ablated model, called by its name; baselines are left out."""
    return scores[scores["model"] == MODEL].assign(model=name)


def _means(single: DataFrame, name: str) -> DataFrame:
    """Return means over the perturbations of a group, of models that apply to all of them."""
    size = single[single["model"] == name].groupby(["group", "metric"])["value"].count()
    means = single.groupby(list(KEYS), as_index=False).agg(**MEANS, n=("value", "count"))
    means = means.merge(_each(single), on=list(KEYS))
    whole = [
        n > 0 and size.get((group, metric), 0) == n
        for group, metric, n in zip(means["group"], means["metric"], means["n"], strict=True)
    ]
    return means[whole]


def _each(single: DataFrame) -> DataFrame:
    """Return for each group, metric and model the values of the perturbations."""
    import pandas

    rows = [
        (*keys, dict(zip(own["perturbation"], own["value"], strict=True)))
        for keys, own in single.groupby(list(KEYS))
    ]
    return pandas.DataFrame(rows, columns=[*KEYS, EACH])


def _responding(one: DataFrame) -> DataFrame:
    """Return the population scores of perturbations that respond, in groups of their own."""
    energy = one[one["metric"] == "energy_distance"]
    strong = set(energy["perturbation"][responders(energy["floor"], energy["ceiling"])])
    rows = one[one["metric"].isin(POPULATION) & one["perturbation"].isin(strong)]
    return rows.assign(group=rows["group"] + CELLS)


def _representation(table: DataFrame, name: str) -> DataFrame:
    """Return the scores of the embedding of the held-out cells, with its control cells."""
    rows = table[table["metric"].isin(REPRESENTATION) & (table["model"] == name)]
    rows = rows[(rows["perturbation"] == ALL) & np.isfinite(rows["value"])]
    means = rows.assign(group="representation").groupby(list(KEYS), as_index=False)
    return means.agg(**MEANS, n=("n", "sum"))


def _with_intercept(single: DataFrame) -> DataFrame:
    """Return the scores with those of the linear baseline's intercept where it has no embedding.

    The intercept is the training mean. Without this a baseline that fits all but one gene of a
    group would not be shown at all; one that fits less than half of the rows is left as it is.
    """
    import pandas

    keys = ["perturbation", "metric"]
    linear = single[(single["model"] == LINEAR) & single["value"].notna()]
    mean = single[single["model"] == MEAN]
    fitted = set(zip(*(linear[key] for key in keys), strict=True))
    absent = [key not in fitted for key in zip(*(mean[key] for key in keys), strict=True)]
    if not any(absent) or sum(absent) > len(mean) / 2:
        return single
    kept = single[(single["model"] != LINEAR) | single["value"].notna()]
    return pandas.concat((kept, mean[absent].assign(model=LINEAR)), ignore_index=True)


def with_intercept(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what is known by model with the linear baseline's intercept where it has none.

    NaN of "linear" becomes what the training mean, its intercept, has there.
    """
    found = dict(values)
    if LINEAR in found:
        found[LINEAR] = np.where(np.isnan(found[LINEAR]), found[MEAN], found[LINEAR])
    return found


def _shares(single: DataFrame) -> list[DataFrame]:
    """Return the rows of each model's distance as a share of that of a reference."""
    found = []
    distances = single[single["metric"] == "l2"]
    base = {
        reference: distances[distances["model"] == reference].set_index("perturbation")["value"]
        for reference in REFERENCES
    }
    for reference in REFERENCES:
        metric = f"l2_over_{reference.replace(' ', '_')}"
        found.append(_relative(distances, base[reference], metric))
    for _, own in distances.groupby("group"):
        labels = list(dict.fromkeys(own["perturbation"]))
        means = {name: base[name].reindex(labels).mean() for name in BETTER}
        better = min(BETTER, key=lambda name: means[name] if means[name] > 0 else np.inf)
        found.append(_relative(own, base[better], "l2_over_better"))
    return found


def _relative(distances: DataFrame, base: Series, metric: str) -> DataFrame:
    """Return distances as shares of those of a reference, by perturbation."""
    scale = distances["perturbation"].map(base).to_numpy(dtype=np.float64)
    shares = {key: distances[key].to_numpy() / scale for key in ("value", "floor", "ceiling")}
    return distances.assign(metric=metric, **shares)
