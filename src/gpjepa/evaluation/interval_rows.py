"""Rows of the table for the error bars of the mean effect and for the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas

from gpjepa.evaluation.bootstrap import bootstrap_interval
from gpjepa.evaluation.bounds import Bounds
from gpjepa.evaluation.interval_curves import BY_ERROR_BAR, doubts, interval_curves
from gpjepa.evaluation.interval_strata import stratum_rows
from gpjepa.evaluation.interval_table import EffectIntervals, read_intervals
from gpjepa.evaluation.intervals import (
    INTERVAL_METRICS,
    POOLED_METRICS,
    score_intervals,
    score_pooled,
)
from gpjepa.evaluation.measured import Measured
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.report_table import ALL, COLUMNS, AxisScores, tabulate
from gpjepa.evaluation.request import Request
from gpjepa.evaluation.risk_coverage import (
    FEWEST,
    RISK_METRICS,
    rank_correlation,
    risk_coverage,
)
from gpjepa.evaluation.scored import Scored
from gpjepa.evaluation.verdict_scores import verdict_rows

AXIS = "generative"


@dataclass(frozen=True, eq=False)
class IntervalScores:
    """Rows of the scoreboard, and the curves that show the same."""

    rows: tuple[pandas.DataFrame, ...]
    curves: pandas.DataFrame


def interval_rows(
    effects: pandas.DataFrame,
    pair: EvaluationPair,
    measured: Measured,
    scored: Mapping[str, Scored],
    request: Request,
) -> IntervalScores:
    """Score a table of effects with intervals; only the order of doubt has a floor and a ceiling.

    A column `verdict` adds the errors of the predictions by verdict, on the effect axis, a column
    `novelty` the order by it.

    Raises:
        DataError: the table does not hold every observed perturbation on every scored gene.
    """
    name, seed = request.name, request.seed
    given = read_intervals(effects, pair.perturbations, pair.genes[pair.gated])
    observed, error = measured.truth.state - measured.truth.control, measured.effect_se
    values = score_intervals(given, observed, error)
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
    known = ~np.isnan(error).any(1)
    pooled = list(_pooled(given, observed, error, name, seed))
    frames = [tabulate(scores, name, seed)]
    curves = pandas.DataFrame()
    fine = known & ~given.spoiled
    if fine.any():
        some, seen, noise = given.take(fine), observed[fine], error[fine]
        frames.append(stratum_rows(some, some.scores(seen, noise), name, seed))
        labels = tuple(np.array(pair.perturbations, dtype=object)[fine])
        curves = interval_curves(some, seen, noise, labels, seed)
        pooled += _risk(some, np.abs(seen - some.effect).mean(1), name, seed)
    frames.insert(1, pandas.DataFrame(pooled).reindex(columns=list(COLUMNS)))
    if given.verdicts:
        frames.append(verdict_rows(given.verdicts, scored, name, seed))
    return IntervalScores(tuple(frame for frame in frames if len(frame)), curves)


def _pooled(
    given: EffectIntervals, observed: np.ndarray, error: np.ndarray, name: str, seed: int
) -> Iterator[dict[str, object]]:
    """Yield what is scored over all perturbations; the rank correlation has an interval."""
    for metric, value in zip(POOLED_METRICS, score_pooled(given, observed, error), strict=True):
        row = _row(metric.name, name, float(value), len(given.effect))
        if metric.name == "spearman_sd_error" and np.isfinite(value):
            row["low"], row["high"] = _rank_interval(given, observed, seed)
        yield row


def _rank_interval(given: EffectIntervals, observed: np.ndarray, seed: int) -> tuple[float, float]:
    width, missed = given.spread().mean(1), np.abs(observed - given.effect).mean(1)
    known = np.flatnonzero(np.isfinite(width + missed))
    return bootstrap_interval(
        lambda rows: rank_correlation(width[known[rows]], missed[known[rows]]), known.size, seed
    )


def _risk(
    given: EffectIntervals, error: np.ndarray, name: str, seed: int
) -> Iterator[dict[str, object]]:
    """Yield the areas under risk-coverage curves; random order is floor, the oracle's ceiling."""
    if len(error) < FEWEST:
        return
    names = dict(zip((BY_ERROR_BAR, "novelty"), RISK_METRICS, strict=True))
    for series, doubt in doubts(given).items():
        curve = risk_coverage(error, doubt, seed)
        yield _row(names[series].name, name, curve.area, len(error)) | {
            "low": curve.area_low,
            "high": curve.area_high,
            "floor": curve.random_area,
            "ceiling": curve.oracle_area,
            "skill": curve.skill,
        }


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
