"""How near two predictions of the same effects come to each other, and where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark.scores import COLUMNS, EACH, effect_rows
from gpjepa.evaluation import effect

if TYPE_CHECKING:
    from pandas import DataFrame

TABLE, CELL = "effect table", "cell model"
COMPOSED, REACHED = "composed, not decoded", "in the decoder's reach"
PATH = (TABLE, COMPOSED, REACHED, CELL)  # from one prediction to the other
LEVEL = 0.9  # of the intervals of interactions
LIKE_TABLE = ("pearson_table", "Pearson with the table's → 1", 1.0)
SIZE = ("size_table", "size ÷ the table's → 1", 1.0)
OFF_TABLE = ("distance_table", "distance from the table's ÷ the table's from the truth ↓", 0.0)
STEP = ("step", "of that in this step ↓", 0.0)
OFF_NONE = ("interaction_error", "error ÷ that of predicting none ↓", 0.0)
INSIDE = ("interaction_coverage_90", "true ones in the 90 % interval → .9", LEVEL)
Predictions = dict[str, np.ndarray]


def rows_of(
    group: str,
    predicted: Predictions,
    observed: np.ndarray,
    reference: np.ndarray,
    labels: Sequence[str],
) -> DataFrame:
    """Return a row a model and score; `reference` [G] is the mean training effect."""
    import pandas

    rows = [
        (group, metric, name, float(values.mean()), np.nan, np.nan, len(values), each)
        for metric, models in beside_table(predicted, observed).items()
        for name, values in models.items()
        for each in [dict(zip(labels, values, strict=True))]
    ]
    against = effect_rows(group, predicted, observed, reference, labels)
    frames = (against, pandas.DataFrame(rows, columns=[*COLUMNS, EACH]))
    return pandas.concat(frames, ignore_index=True)


def beside_table(
    predicted: Mapping[str, np.ndarray], observed: np.ndarray
) -> dict[str, dict[str, np.ndarray]]:
    """Return how each prediction compares with the table's, [P] by metric and model.

    Distances are shares of that between the table's prediction and the observed effect. A step is
    the distance from the prediction before it on the way from the table to the cell model.
    """
    table = predicted[TABLE]
    unit = effect.l2(table, observed)
    path = [name for name in PATH if name in predicted]
    before = dict(zip(path[1:], path, strict=False))
    return {
        LIKE_TABLE[0]: {name: effect.pearson(rows, table) for name, rows in predicted.items()},
        OFF_TABLE[0]: {name: effect.l2(rows, table) / unit for name, rows in predicted.items()},
        STEP[0]: {
            name: effect.l2(predicted[name], predicted[last]) / unit
            for name, last in before.items()
        },
        SIZE[0]: {name: effect.norm_ratio(rows, table) for name, rows in predicted.items()},
    }


def score_interactions(
    group: str,
    predicted: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    true: np.ndarray,
    labels: Sequence[str],
) -> DataFrame:
    """Return a row a score of the cell model's interactions [P, G] against the true ones.

    The error is relative to predicting none; coverage is of the 90 % intervals, over genes.
    """
    import pandas

    scores = {
        OFF_NONE[0]: (effect.norm_ratio(predicted - true, true), np.nan),
        INSIDE[0]: (((low <= true) & (true <= high)).mean(axis=1), LEVEL),
        "interaction_pearson": (effect.pearson(predicted, true), np.nan),
    }
    rows = [
        (group, metric, CELL, float(values.mean()), np.nan, best, len(values), each)
        for metric, (values, best) in scores.items()
        for each in [dict(zip(labels, values, strict=True))]
    ]
    return pandas.DataFrame(rows, columns=[*COLUMNS, EACH])
