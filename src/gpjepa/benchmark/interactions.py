"""Genetic interactions of measured doubles, each half of them predicted from the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark.effect_tables import known_features, rules
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.core.random import numpy_stream
from gpjepa.data.schemes import with_all_singles
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interaction_classes import TRUTH, score_classes
from gpjepa.evaluation.interaction_noise import norman_errors
from gpjepa.evaluation.interaction_rules import own_interaction
from gpjepa.evaluation.interaction_scores import score_interactions

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDS = 2
INTERACTIONS, CLASSES = "interactions", "interaction classes"
ByModel = dict[str, np.ndarray]


def crossed_interactions(table: EffectTable, seed: int) -> DataFrame:
    """Score predicted interactions and their classes on all doubles with both singles.

    The doubles are dealt into halves; each is predicted from the singles and the other half.
    The floor is what a random order gets, the ceiling of a class what the measured effects
    themselves score.
    """
    import pandas

    labels, effects, interactions = predicted(table, seed)
    found = score_interactions(table, interactions, labels, norman_errors(table), seed)
    found = found.assign(group=INTERACTIONS, floor=found["chance"], ceiling=np.nan)
    classes = score_classes(table, effects, labels)
    truth = classes[classes["model"] == TRUTH].set_index("class")["precision"]
    classes = classes[classes["model"] != TRUTH]
    classes = classes.assign(
        group=CLASSES,
        metric=["precision_10, " + name for name in classes["class"]],
        value=classes["precision"],
        floor=classes["base_rate"],
        ceiling=classes["class"].map(truth),
    )
    joined: DataFrame = pandas.concat((found, classes), ignore_index=True)[list(COLUMNS)]
    return joined


def predicted(table: EffectTable, seed: int) -> tuple[list[str], ByModel, ByModel]:
    """Return the doubles, and by model their effects and interactions, [doubles, G] each.

    A model's interaction is its effect of a double minus its own effects of the members. A
    model that does not apply to some double is left out.
    """
    complete = with_all_singles(table.labels)
    order = numpy_stream(seed, "benchmark", "interactions").permutation(len(complete))
    labels: list[str] = []
    effects: dict[str, list[np.ndarray]] = {}
    interactions: dict[str, list[np.ndarray]] = {}
    for part in np.array_split(order, FOLDS):
        held = [complete[index] for index in sorted(part)]
        labels += held
        training = table.without(np.array([table.row[label] for label in held]))
        for rule in rules(training, known_features(table, training), seed):
            effects.setdefault(rule.name, []).append(rule.effects(held))
            interactions.setdefault(rule.name, []).append(own_interaction(rule, held))
    return labels, _whole(effects), _whole(interactions)


def _whole(parts: dict[str, list[np.ndarray]]) -> ByModel:
    """Join the halves of the models that apply everywhere."""
    joined = {name: np.concatenate(halves) for name, halves in parts.items()}
    return {name: values for name, values in joined.items() if np.isfinite(values).all()}
