"""Rows of the table for the error bars of the mean effect and for the verdicts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas

from gpjepa.evaluation.bounds import Bounds
from gpjepa.evaluation.intervals import (
    INTERVAL_METRICS,
    POOLED_METRICS,
    read_intervals,
    score_intervals,
    score_pooled,
)
from gpjepa.evaluation.measured import Measured
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.report_table import ALL, COLUMNS, AxisScores, tabulate
from gpjepa.evaluation.request import Request
from gpjepa.evaluation.scored import Scored
from gpjepa.evaluation.verdict_scores import verdict_rows

AXIS = "generative"


def interval_rows(
    effects: pandas.DataFrame,
    pair: EvaluationPair,
    measured: Measured,
    scored: Mapping[str, Scored],
    request: Request,
) -> list[pandas.DataFrame]:
    """Score a table of effects with intervals; no floor or ceiling is defined for these rows.

    A column `verdict` adds the errors of the predictions by verdict, on the effect axis.

    Raises:
        DataError: the table does not hold every observed perturbation on every scored gene.
    """
    name = request.name
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
    frames = [
        tabulate(scores, name, request.seed),
        pandas.DataFrame(rows).reindex(columns=list(COLUMNS)),
    ]
    if given.verdicts:
        frames.append(verdict_rows(given.verdicts, scored, name, request.seed))
    return frames


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
