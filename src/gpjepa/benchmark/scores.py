"""Scores of predicted effects against measured or true ones, as the rows that tasks return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.evaluation import effect

if TYPE_CHECKING:
    from pandas import DataFrame

NUMBERS = ("value", "floor", "ceiling", "n")
COLUMNS = ("group", "metric", "model", *NUMBERS)
EACH = "each"  # optional column: the value of every perturbation, for paired differences
FLOORS = ("no change", "training mean")
ROUNDING = 1e-6  # of the largest effect of a reference: below it nothing is said beyond that
LOWER = frozenset({"l2", "l2_over_no_change", "l2_over_additive", "l2_over_training_mean"})


def effect_rows(
    group: str,
    predictions: Mapping[str, np.ndarray],
    truth: np.ndarray,
    reference: np.ndarray,
    labels: Sequence[str] | None = None,
) -> DataFrame:
    """Score the predicted effects [P, G] of every model on one group of perturbations.

    Effects are differences from control; `reference` [G] is the mean effect of the training
    perturbations. A model with a NaN row does not apply to the group and is left out. Values
    are means over perturbations, ratios of distances too; the floor is the better of no change
    and the training mean; the ceiling is not known here. With the `labels` [P] of the
    perturbations a column `each` holds their values.
    """
    import pandas

    applying = {name: rows for name, rows in predictions.items() if np.isfinite(rows).all()}
    scored = {name: _scores(rows, truth, reference) for name, rows in applying.items()}
    for metric, relative in _relative(scored).items():
        for name, values in relative.items():
            scored[name][metric] = values
    rows = []
    for name, metrics in scored.items():
        for metric, values in metrics.items():
            floor = _floor(scored, metric)
            row = (group, metric, name, _mean(values), floor, np.nan, len(values))
            rows.append(row if labels is None else (*row, dict(zip(labels, values, strict=True))))
    return pandas.DataFrame(rows, columns=[*COLUMNS, *([] if labels is None else [EACH])])


def _scores(
    predicted: np.ndarray, truth: np.ndarray, reference: np.ndarray
) -> dict[str, np.ndarray]:
    """Return every score of one model, [P] each."""
    return {
        "pearson_delta": effect.pearson(predicted, truth),
        "pearson_perturbed": effect.pearson(_beyond(predicted, reference), truth - reference),
        "slope": effect.slope(predicted, truth),
        "norm_ratio": effect.norm_ratio(predicted, truth),
        "l2": effect.l2(predicted, truth),
        "discrimination": effect.discrimination(predicted, truth),
        "centroid_accuracy": effect.centroid_accuracy(predicted, truth),
    }


def _beyond(predicted: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return what predictions have beyond a reference; zeros where that is its own rounding."""
    rest = predicted - reference
    size = np.abs(rest).max(axis=-1, keepdims=True)
    return np.where(size > ROUNDING * np.abs(reference).max(), rest, 0.0)


def _relative(
    scored: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, dict[str, np.ndarray]]:
    """Return each model's distance as a share of that of the references that are there."""
    found = {}
    for reference in ("no change", "additive", "training mean"):
        if reference in scored:
            base = scored[reference]["l2"]
            found[f"l2_over_{reference.replace(' ', '_')}"] = {
                name: metrics["l2"] / base for name, metrics in scored.items()
            }
    return found


def _floor(scored: Mapping[str, Mapping[str, np.ndarray]], metric: str) -> float:
    """Return the better mean score of no change and the training mean."""
    values = [_mean(scored[name][metric]) for name in FLOORS if name in scored]
    if not values:
        return float("nan")
    return min(values) if metric in LOWER else max(values)


def _mean(values: np.ndarray) -> float:
    """Return the mean over perturbations; NaN for a score that needs more than one."""
    return float(values.mean()) if len(values) else float("nan")
