"""Genetic interactions of measured doubles, each fifth of them predicted from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark.effect_tables import known_features, rules
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.core.random import numpy_stream
from gpjepa.data.schemes import with_all_singles
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interaction_classes import TRUTH, score_classes
from gpjepa.evaluation.interaction_noise import norman_errors
from gpjepa.evaluation.interaction_rules import own_interaction, own_singles
from gpjepa.evaluation.interaction_scores import score_interactions

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDS = 5
INTERACTIONS, CLASSES = "interactions", "interaction classes"
RATIO = "auprc_over_additive"
ByModel = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Crossed:
    """Doubles with what each model says of them without having seen them.

    `effects` and `interactions` [doubles, G] by model; `singles` [doubles, 2, G] are what the
    same fit says of the members alone.
    """

    labels: tuple[str, ...]
    effects: ByModel
    interactions: ByModel
    singles: ByModel


def crossed_interactions(table: EffectTable, seed: int) -> DataFrame:
    """Score predicted interactions and their classes on all doubles with both singles.

    The doubles are dealt into fifths; each is predicted from the singles and the other four.
    The floor is what a random order gets, the ceiling of a class what the measured effects
    themselves score. `RATIO` is the average precision over genes divided by the better of the
    sum's and no change's.
    """
    import pandas

    made = predicted(table, seed)
    labels = list(made.labels)
    found = score_interactions(table, made.interactions, labels, norman_errors(table), seed)
    found = found.assign(group=INTERACTIONS, floor=found["chance"], ceiling=np.nan)
    classes = score_classes(table, made.effects, labels, singles=made.singles)
    truth = classes[classes["model"] == TRUTH].set_index("class")["precision"]
    classes = classes[classes["model"] != TRUTH]
    classes = classes.assign(
        group=CLASSES,
        metric=["precision_10, " + name for name in classes["class"]],
        value=classes["precision"],
        floor=classes["base_rate"],
        ceiling=classes["class"].map(truth),
    )
    parts = (found, _ratios(found), classes)
    joined: DataFrame = pandas.concat(parts, ignore_index=True)[list(COLUMNS)]
    return joined


def predicted(table: EffectTable, seed: int) -> Crossed:
    """Return the doubles, predicted in turn.

    A model's interaction is its effect of a double minus its own effects of the members. A
    model that does not apply to some double is left out.
    """
    complete = with_all_singles(table.labels)
    order = numpy_stream(seed, "benchmark", "interactions").permutation(len(complete))
    labels: list[str] = []
    effects: dict[str, list[np.ndarray]] = {}
    interactions: dict[str, list[np.ndarray]] = {}
    singles: dict[str, list[np.ndarray]] = {}
    for part in np.array_split(order, FOLDS):
        held = [complete[index] for index in sorted(part)]
        labels += held
        training = table.without(np.array([table.row[label] for label in held]))
        for rule in rules(training, known_features(table, training), seed):
            effects.setdefault(rule.name, []).append(rule.effects(held))
            interactions.setdefault(rule.name, []).append(own_interaction(rule, held))
            singles.setdefault(rule.name, []).append(own_singles(rule, held))
    whole = (_whole(parts) for parts in (effects, interactions, singles))
    return Crossed(tuple(labels), *whole)


def _ratios(found: DataFrame) -> DataFrame:
    """Return average precision over genes as a multiple of the best that predicts nothing."""
    own = found[found["metric"] == "interaction_auprc"]
    value = own.set_index("model")["value"]
    best = float(max(value["additive"], value["no change"]))
    return own.assign(metric=RATIO, value=own["value"] / best, floor=own["floor"] / best)


def _whole(parts: dict[str, list[np.ndarray]]) -> ByModel:
    """Join the folds of the models that apply everywhere."""
    joined = {name: np.concatenate(folds) for name, folds in parts.items()}
    return {name: values for name, values in joined.items() if np.isfinite(values).all()}
