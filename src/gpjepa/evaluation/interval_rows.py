"""Rows of the table for the error bars of the mean effect and for the verdicts."""

from __future__ import annotations

import numpy as np
import pandas

from gpjepa.evaluation.bootstrap import bootstrap_mean
from gpjepa.evaluation.bounds import Bounds
from gpjepa.evaluation.intervals import (
    INTERVAL_METRICS,
    POOLED_METRICS,
    EffectIntervals,
    error_by_verdict,
    read_intervals,
    score_intervals,
    score_pooled,
)
from gpjepa.evaluation.measured import Measured
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.report_table import ALL, COLUMNS, AxisScores, tabulate

AXIS = "generative"


def interval_rows(
    effects: pandas.DataFrame, pair: EvaluationPair, measured: Measured, name: str, seed: int
) -> list[pandas.DataFrame]:
    """Score a table of effects with intervals; no floor or ceiling is defined for these rows.

    Raises:
        DataError: the table does not hold every observed perturbation on every scored gene.
    """
    given = read_intervals(effects, pair.perturbations, pair.genes[pair.gated])
    observed = measured.truth.state - measured.truth.control
    values = score_intervals(given, observed, measured.effect_se)
    nothing = np.full(values.shape, np.nan)
    scores = AxisScores(
        axis=AXIS,
        metrics=INTERVAL_METRICS,
        perturbations=pair.perturbations,
        values={name: values},
        applies={name: np.ones(len(pair.perturbations), dtype=bool)},
        bounds=Bounds(nothing, nothing, nothing, nothing, nothing),
        cells=np.bincount(pair.observed.codes(pair.perturbations)),
    )
    pooled = score_pooled(given, observed, measured.effect_se)
    rows = [
        _row(metric.name, name, float(value), len(pair.perturbations))
        for metric, value in zip(POOLED_METRICS, pooled, strict=True)
    ]
    rows += _verdict_rows(given, observed, name, seed)
    frame = pandas.DataFrame(rows).reindex(columns=list(COLUMNS))
    return [tabulate(scores, name, seed), frame]


def _verdict_rows(
    given: EffectIntervals, observed: np.ndarray, name: str, seed: int
) -> list[dict[str, object]]:
    rows = []
    for verdict, errors in error_by_verdict(given, observed).items():
        low, high = bootstrap_mean(errors, seed)
        row = _row(f"normalised_mae: {verdict}", name, float(errors.mean()), errors.size)
        rows.append(row | {"low": low, "high": high})
    return rows


def _row(metric: str, name: str, value: float, count: int) -> dict[str, object]:
    return {
        "axis": AXIS,
        "metric": metric,
        "perturbation": ALL,
        "model": name,
        "value": value,
        "n": count,
        "undefined": 0,
    }
