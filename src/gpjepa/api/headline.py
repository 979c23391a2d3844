"""The few numbers that open a report: model, best baseline and ceiling, group by group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.report_table import ALL

if TYPE_CHECKING:
    from pandas import DataFrame

    from gpjepa.evaluation.evaluator import EvaluationReport

EFFECT = ("pearson_delta", "l2", "slope")
POPULATION = ("energy_distance", "log_variance_ratio")
DIFFERENCE = " − "  # names the rows that hold a paired difference


def headline_rows(report: EvaluationReport, groups: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the leading metrics of each group of held-out perturbations.

    A baseline takes part where it applies to every perturbation of the group; the best is the one
    with the smallest mean loss.
    """
    metrics = {metric.name: metric for metric in (*EFFECT_METRICS, *GENERATIVE_METRICS)}
    table = report.table
    table = table[~table["model"].str.contains(DIFFERENCE, regex=False)]
    names = sorted(set(groups.values())) or [ALL]
    rows = []
    for group in names:
        for name in EFFECT:
            rows.append(_row(table, metrics[name], report.name, group, groups))
    for name in POPULATION:
        rows.append(_average(table, metrics[name], report.name))
    return [row for row in rows if row is not None]


def _row(
    table: DataFrame, metric: Metric, model: str, group: str, groups: Mapping[str, str]
) -> dict[str, Any] | None:
    """Compare the model with the baselines on the perturbations of one group."""
    own = table[(table["metric"] == metric.name) & (table["perturbation"] != ALL)]
    if group != ALL:
        own = own[own["perturbation"].map(groups) == group]
    wide = own.pivot_table(index="perturbation", columns="model", values="value", dropna=False)
    if model not in wide or wide[model].isna().all():
        return None
    ceiling = own[own["model"] == model]["ceiling"]
    rivals = {
        name: float(np.mean(metric.loss(wide[name].to_numpy())))
        for name in wide.columns
        if name != model and wide[name].notna().all()
    }
    loss = float(np.mean(metric.loss(wide[model].to_numpy())))
    best = min(rivals, key=lambda name: rivals[name]) if rivals else None
    return _told(
        metric.name,
        group,
        wide[model].mean(),
        None if best is None else wide[best].mean(),
        best,
        ceiling.mean(),
        None if best is None else loss < rivals[best],
    )


def _average(table: DataFrame, metric: Metric, model: str) -> dict[str, Any] | None:
    """Compare means over responding perturbations, as the table has them."""
    rows = table[(table["metric"] == metric.name) & (table["perturbation"] == ALL)]
    values = rows.set_index("model")["value"].dropna()
    if model not in values:
        return None
    own = rows[rows["model"] == model].iloc[0]
    most = rows["n"].max()
    rivals = [name for name in rows[rows["n"] == most]["model"] if name != model and name in values]
    loss = {name: float(metric.loss(np.array([values[name]]))[0]) for name in (*rivals, model)}
    best = min(rivals, key=lambda name: loss[name]) if rivals else None
    return _told(
        metric.name,
        ALL,
        values[model],
        None if best is None else values[best],
        best,
        own["ceiling"],
        None if best is None else loss[model] < loss[best],
    )


def _told(
    metric: str,
    group: str,
    model: float,
    baseline: float | None,
    name: str | None,
    ceiling: float,
    won: bool | None,
) -> dict[str, Any]:
    return {
        "metric": metric,
        "group": group,
        "model": _plain(model),
        "best_baseline": None if baseline is None else _plain(baseline),
        "best_baseline_name": name,
        "ceiling": _plain(ceiling),
        "won": won,
    }


def _plain(value: float) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
