"""Scores as a tidy table: a row per metric, perturbation and model, with bounds and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas

from gpjepa.evaluation.bootstrap import bootstrap_means
from gpjepa.evaluation.bounds import Bounds, skill
from gpjepa.evaluation.metric import Metric

ALL = "all"
COLUMNS = (
    "axis",
    "metric",
    "perturbation",
    "model",
    "value",
    "low",
    "high",
    "floor",
    "ceiling",
    "skill",
    "n",
    "ceiling_low",
    "ceiling_high",
    "undefined",
    "value_on_halves",
    "skill_low",
    "skill_high",
)


@dataclass(frozen=True, eq=False)
class AxisScores:
    """Scores of one axis: per model an array [M, P], NaN where the truth defines no score.

    `applies` [P] per model marks the perturbations that the model predicts at all. `groups` names
    the sets of perturbations that are averaged, as masks [P]. `cells` [P] counts observed cells.
    `on_halves` are the same scores against the held-back halves of the observed cells, as those
    of the bounds are; empty where `values` are already.
    """

    axis: str
    metrics: Sequence[Metric]
    perturbations: Sequence[str]
    values: Mapping[str, np.ndarray]
    applies: Mapping[str, np.ndarray]
    bounds: Bounds
    cells: np.ndarray
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    on_halves: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def averaged(self) -> Mapping[str, np.ndarray]:
        """Return the groups, which are "all" perturbations where none are given."""
        return self.groups or {ALL: np.ones(len(self.perturbations), dtype=bool)}


def tabulate(scores: AxisScores, name: str, seed: int) -> pandas.DataFrame:
    """Return the rows of an axis: perturbations, averages, and differences from `name`'s rivals.

    An average is the mean of the defined per-perturbation values, its interval a bootstrap over
    perturbations, its skill the mean of the defined skills, with an interval of its own; n counts
    what was averaged and `undefined` the skills left out although a scale was wanted. Skill is
    (value_on_halves − floor) / (ceiling − floor) for metrics that rise. A difference,
    "NAME − RIVAL", is paired: the mean over the perturbations to which both apply, of the values,
    or of the distances from the best value for metrics with an inner optimum.
    """
    halves = scores.on_halves or scores.values
    skills = {model: skill(scores.metrics, halves[model], scores.bounds) for model in scores.values}
    frames = [_each(scores, model, skills[model]) for model in scores.values]
    for group, mask in scores.averaged.items():
        frames += [_average(scores, m, skills[m], group, mask, seed) for m in scores.values]
        rivals = [model for model in scores.values if model != name]
        frames += [_difference(scores, name, rival, group, mask, seed) for rival in rivals]
    return pandas.concat([f for f in frames if len(f)], ignore_index=True)[list(COLUMNS)]


def _each(scores: AxisScores, model: str, skills: np.ndarray) -> pandas.DataFrame:
    use = np.flatnonzero(scores.applies[model])
    names = np.array([metric.name for metric in scores.metrics], dtype=object)
    labels = np.array(scores.perturbations, dtype=object)[use]
    bounds = scores.bounds

    def flat(array: np.ndarray) -> np.ndarray:
        return array[:, use].ravel()

    return pandas.DataFrame(
        {
            "axis": scores.axis,
            "metric": np.repeat(names, use.size),
            "perturbation": np.tile(labels, names.size),
            "model": model,
            "value": flat(scores.values[model]),
            "low": np.nan,
            "high": np.nan,
            "floor": flat(bounds.floor),
            "ceiling": flat(bounds.ceiling),
            "skill": flat(skills),
            "n": np.tile(scores.cells[use], names.size),
            "ceiling_low": flat(bounds.low),
            "ceiling_high": flat(bounds.high),
            "undefined": flat(_undefined(scores, model, skills)).astype(np.int64),
            "value_on_halves": flat((scores.on_halves or scores.values)[model]),
            "skill_low": np.nan,
            "skill_high": np.nan,
        }
    )


def _average(
    scores: AxisScores, model: str, skills: np.ndarray, group: str, mask: np.ndarray, seed: int
) -> pandas.DataFrame:
    use = mask & scores.applies[model]
    undefined = _undefined(scores, model, skills)[:, use].sum(1)
    values, skills = scores.values[model][:, use], skills[:, use]
    low, high = _intervals(values, seed)
    skill_low, skill_high = _intervals(skills, seed)
    ceiling_low, ceiling_high = _intervals(scores.bounds.ceiling[:, use], seed)
    return pandas.DataFrame(
        {
            "axis": scores.axis,
            "metric": [metric.name for metric in scores.metrics],
            "perturbation": group,
            "model": model,
            "value": _mean(values),
            "low": low,
            "high": high,
            "floor": _mean(scores.bounds.floor[:, use]),
            "ceiling": _mean(scores.bounds.ceiling[:, use]),
            "skill": _mean(skills),
            "n": (~np.isnan(values)).sum(1),
            "ceiling_low": ceiling_low,
            "ceiling_high": ceiling_high,
            "undefined": undefined,
            "value_on_halves": _mean((scores.on_halves or scores.values)[model][:, use]),
            "skill_low": skill_low,
            "skill_high": skill_high,
        }
    )


def _difference(
    scores: AxisScores, name: str, rival: str, group: str, mask: np.ndarray, seed: int
) -> pandas.DataFrame:
    use = mask & scores.applies[name] & scores.applies[rival]
    rows = []
    for row, metric in enumerate(scores.metrics):
        ours, theirs = scores.values[name][row, use], scores.values[rival][row, use]
        undefined = np.isnan(ours) | np.isnan(theirs)
        if metric.kind == "target":
            ours, theirs = metric.loss(ours), metric.loss(theirs)
        with np.errstate(invalid="ignore"):
            rows.append(np.where(undefined, np.nan, ours - theirs))
    values = np.stack(rows)
    low, high = _intervals(values, seed)
    frame = {
        "axis": scores.axis,
        "metric": [metric.name for metric in scores.metrics],
        "perturbation": group,
        "model": f"{name} − {rival}",
        "value": _mean(values),
        "low": low,
        "high": high,
        "n": (~np.isnan(values)).sum(1),
        "undefined": 0,
    }
    return pandas.DataFrame(frame | dict.fromkeys(set(COLUMNS) - set(frame), np.nan))


def _undefined(scores: AxisScores, model: str, skills: np.ndarray) -> np.ndarray:
    """Tell where a scale was wanted and could not be had: there is a floor, or no second half."""
    wanted = ~np.isnan(scores.bounds.floor)
    if scores.on_halves:
        wanted |= ~np.isnan(scores.values[model])
    return np.isnan(skills) & wanted


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the row means of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        total = np.where(known, values, 0.0).sum(1)
    return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)


def _intervals(values: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return bootstrap intervals of row means; rows with the same gaps share their resamples."""
    low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
    known = ~np.isnan(values)
    for pattern in np.unique(known, axis=0):
        rows = np.flatnonzero((known == pattern).all(1))
        low[rows], high[rows] = bootstrap_means(values[rows][:, pattern], seed)
    return low, high
