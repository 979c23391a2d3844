"""How far populations are from resampled control cells, 0, towards a replicate, 1."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas

from gpjepa.evaluation.bootstrap import bootstrap_interval
from gpjepa.evaluation.bounds import Bounds, skill
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.report_table import ALL, COLUMNS

JUDGED = (
    "energy_distance",
    "log_variance_ratio",
    "zero_fraction_error",
    "pit_distance",
    "correlation_agreement",
)
PREFIX = "population_skill_"

POPULATION_SKILL_METRICS = tuple(
    Metric(f"{PREFIX}{name}", 1.0, -np.inf, "higher", "median skill where there is a response")
    for name in JUDGED
)


def population_skills(values: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return the skills [M, P] of values of `GENERATIVE_METRICS`, for the metrics of `JUDGED`."""
    rows = [[metric.name for metric in GENERATIVE_METRICS].index(name) for name in JUDGED]
    return skill(GENERATIVE_METRICS, values, bounds)[rows]


def population_skill_rows(
    values: Mapping[str, np.ndarray],
    applies: Mapping[str, np.ndarray],
    bounds: Bounds,
    responds: np.ndarray,
    name: str,
    seed: int,
) -> pandas.DataFrame:
    """Return the median skill over responding perturbations of every model, and differences.

    `values` [M, P] and `applies` [P] by model. A median, as one perturbation whose replicate is
    hardly better than control has a skill of any size. The interval is a bootstrap over
    perturbations; `n` counts those with a defined skill, `undefined` the others that respond. The
    difference "NAME − RIVAL" is the median of the paired differences.
    """
    skills = {model: population_skills(own, bounds) for model, own in values.items()}
    rows: list[dict[str, object]] = []
    for model, own in skills.items():
        use = responds & applies[model]
        for metric, each in zip(POPULATION_SKILL_METRICS, own, strict=True):
            rows.append(_row(metric.name, model, each[use], seed, floor=0.0, ceiling=1.0))
    for rival in skills:
        if rival == name:
            continue
        use = responds & applies[name] & applies[rival]
        for metric, ours, theirs in zip(
            POPULATION_SKILL_METRICS, skills[name], skills[rival], strict=True
        ):
            with np.errstate(invalid="ignore"):
                gap = (ours - theirs)[use]
            rows.append(_row(metric.name, f"{name} − {rival}", gap, seed))
    return pandas.DataFrame(rows).reindex(columns=list(COLUMNS))


def _row(
    metric: str,
    model: str,
    values: np.ndarray,
    seed: int,
    floor: float = float("nan"),
    ceiling: float = float("nan"),
) -> dict[str, object]:
    known = values[~np.isnan(values)]
    low, high = bootstrap_interval(lambda rows: _median(known[rows]), known.size, seed)
    value = _median(known)
    return {
        "axis": "generative",
        "metric": metric,
        "perturbation": ALL,
        "model": model,
        "value": value,
        "low": low,
        "high": high,
        "floor": floor,
        "ceiling": ceiling,
        "skill": value if np.isfinite(ceiling) else np.nan,
        "n": known.size,
        "undefined": values.size - known.size if np.isfinite(ceiling) else 0,
        "value_on_halves": value,
    }


def _median(values: np.ndarray) -> float:
    """Return the median, of infinite values too; NaN of nothing."""
    with np.errstate(invalid="ignore"):
        return float(np.median(values)) if values.size else float("nan")
