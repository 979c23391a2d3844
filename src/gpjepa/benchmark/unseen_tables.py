"""Genes never perturbed, predicted from tables of pseudobulk effects without a cell model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark.effect_tables import known_features, rules, select
from gpjepa.benchmark.held_out import BETTER
from gpjepa.benchmark.scores import COLUMNS, EACH, effect_rows
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.baselines import effect_table
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.evaluation.pseudobulk import median_library, pseudobulk

if TYPE_CHECKING:
    from pandas import DataFrame

BETTER_METRIC = "l2_over_better"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What everyone predicts of the perturbations of one split, and what their cells show.

    `predicted` [P, G] by model, `observed` [P, G], `mean` [G] of the training effects.
    """

    labels: tuple[str, ...]
    predicted: Mapping[str, np.ndarray]
    observed: np.ndarray
    mean: np.ndarray


def score_unseen(data: PerturbSeq, splits: Sequence[Split], group: str, seed: int) -> DataFrame:
    """Score model and baselines on what each split holds out, all together as one group.

    They learn from the pseudobulk effects of what trains and validates, against the training half
    of the control cells; the truth is against the other half. Genes have a mean of .1 counts in
    the training controls and are no target of the data.
    """
    import pandas

    parts = [held_out(data, split, seed) for split in splits]
    labels = [label for part in parts for label in part.labels]
    shared = [name for name in parts[0].predicted if all(name in each.predicted for each in parts)]
    predicted = {name: np.concatenate([each.predicted[name] for each in parts]) for name in shared}
    observed = np.concatenate([each.observed for each in parts])
    mean = np.concatenate([np.tile(each.mean, (len(each.labels), 1)) for each in parts])
    found = effect_rows(group, predicted, observed, mean, labels)
    return pandas.concat((found, over_better(found, group)), ignore_index=True)


def held_out(data: PerturbSeq, split: Split, seed: int) -> HeldOut:
    """Predict the held-out perturbations of a split from the effects of the others."""
    training, truth = measured(data, split)
    both = EffectTable(
        (*training.labels, *truth.labels), np.concatenate((training.effects, truth.effects))
    )
    features = known_features(both, training)
    made = {rule.name: rule.effects(split.test) for rule in rules(training, features, seed)}
    observed = select(truth, split.test).effects
    return HeldOut(split.test, made, observed, training.effects.mean(axis=0))


def measured(data: PerturbSeq, split: Split) -> tuple[EffectTable, EffectTable]:
    """Return the effects of what trains and validates, and of what the split holds out.

    The first are against the training half of the control cells, the second against the other, on
    genes with a mean of .1 counts in the training controls that are no target of the data.
    """
    parts = split.parts(data)
    controls = data.subset(parts.train_controls)
    target = median_library(controls.library)
    chosen = np.flatnonzero(expressed_untargeted(controls.counts, data.genes, data.members))
    trained = np.concatenate((parts.train, parts.validation))
    return (
        _effects(data, trained, parts.train_controls, target, chosen),
        _effects(data, parts.test, parts.truth_controls, target, chosen),
    )


def over_better(found: DataFrame, group: str) -> DataFrame:
    """Return distances as shares of the one of no change and the mean that is closer on average."""
    import pandas

    distance = found[found["metric"] == "l2"].set_index("model")
    base = distance[EACH][distance["value"].loc[list(BETTER)].idxmin()]
    rows = []
    for name, own in distance[EACH].items():
        shares = {label: own[label] / base[label] for label in own}
        value = float(np.mean(list(shares.values())))
        rows.append((group, BETTER_METRIC, name, value, np.nan, np.nan, len(shares), shares))
    return pandas.DataFrame(rows, columns=[*COLUMNS, EACH])


def _effects(
    data: PerturbSeq, cells: np.ndarray, controls: np.ndarray, target: float, genes: np.ndarray
) -> EffectTable:
    """Return the effects of some cells against some control cells, on the genes at `genes`."""
    control = data.subset(controls)
    base = pseudobulk(control.counts, control.library, target)
    table = effect_table(data.subset(cells), base, target)
    return EffectTable(table.labels, table.effects[:, genes])
