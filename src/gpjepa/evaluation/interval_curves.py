"""What a reader of error bars looks at, as one tidy table of curves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas

from gpjepa.evaluation.bootstrap import bootstrap_means
from gpjepa.evaluation.interval_strata import coverage_by_perturbation, strata
from gpjepa.evaluation.interval_table import EffectIntervals
from gpjepa.evaluation.intervals import pit_of_effects
from gpjepa.evaluation.risk_coverage import FEWEST, RiskCoverage, risk_coverage

CURVE_COLUMNS = ("curve", "series", "label", "x", "value", "low", "high", "n")
COVERAGE, PIT, RISK, WIDTH = "coverage", "effect PIT", "risk", "width"
CURVE_LEVELS = (0.05, *(round(0.1 * step, 1) for step in range(1, 10)), 0.95, 0.99)
BINS = 10  # of a PIT histogram
BY_ERROR_BAR, BY_NOVELTY, ORACLE, RANDOM = "error bar", "novelty", "oracle", "random"


def interval_curves(
    given: EffectIntervals,
    observed: np.ndarray,
    observed_se: np.ndarray,
    labels: tuple[str, ...],
    seed: int,
) -> pandas.DataFrame:
    """Return coverage by level and stratum, PIT, risk-coverage and width against error.

    Arrays are [P, G], of perturbations with a standard error. Columns: `curve`; `series` in it;
    `label` of a point; `x` and `value` with 95 % resamples of the perturbations from `low` to
    `high`; `n` perturbations. coverage: nominal level against the share inside. effect PIT: left
    edge of a bin against its density, 1 where calibrated. risk: share kept against mean error.
    width: root mean square predicted against actual error of a perturbation, log1p units, both
    with the observation's own error in them.
    """
    frames = [
        _coverage(given, observed, observed_se, seed),
        _pit(given, observed, observed_se, seed),
        _risk(given, np.abs(observed - given.effect).mean(1), seed),
        _width(given, observed, observed_se, labels),
    ]
    rows = [row for frame in frames for row in frame]
    return pandas.DataFrame(rows).reindex(columns=list(CURVE_COLUMNS))


def doubts(given: EffectIntervals) -> dict[str, np.ndarray]:
    """Return by what perturbations can be ordered, [P] each: error bar, and novelty if known."""
    found = {BY_ERROR_BAR: given.spread().mean(1)}
    if given.novelty and np.isfinite(given.novelty).all():
        found[BY_NOVELTY] = np.array(given.novelty)
    return found


def pit_density(pit: np.ndarray) -> np.ndarray:
    """Return the density of values in [0, 1] in each of `BINS` bins per row, [P, BINS]."""
    bins = np.minimum((pit * BINS).astype(np.int64), BINS - 1)
    counts = np.stack([np.bincount(row, minlength=BINS) for row in bins])
    return counts * BINS / pit.shape[1]


def _coverage(
    given: EffectIntervals, observed: np.ndarray, observed_se: np.ndarray, seed: int
) -> Iterator[dict[str, object]]:
    scores = given.scores(observed, observed_se)
    for series, mask in strata(given).items():
        covered = coverage_by_perturbation(scores, mask, CURVE_LEVELS)
        for level, row in zip(CURVE_LEVELS, _banded(covered, seed), strict=True):
            yield {"curve": COVERAGE, "series": series, "x": level, **row}


def _pit(
    given: EffectIntervals, observed: np.ndarray, observed_se: np.ndarray, seed: int
) -> Iterator[dict[str, object]]:
    density = pit_density(pit_of_effects(given, observed, observed_se)).T
    for index, row in enumerate(_banded(density, seed)):
        yield {"curve": PIT, "series": "effects", "x": index / BINS, **row}


def _banded(values: np.ndarray, seed: int) -> Iterator[dict[str, float]]:
    """Yield the mean of each row [P] with its interval over perturbations."""
    low, high = bootstrap_means(values, seed)
    for row, least, most in zip(values, low, high, strict=True):
        yield {"value": float(row.mean()), "low": least, "high": most, "n": row.size}


def _risk(given: EffectIntervals, error: np.ndarray, seed: int) -> Iterator[dict[str, object]]:
    if len(error) < FEWEST:
        return
    curve: RiskCoverage | None = None
    for series, doubt in doubts(given).items():
        curve = risk_coverage(error, doubt, seed)
        for x, value, low, high in zip(curve.share, curve.risk, curve.low, curve.high, strict=True):
            yield {"curve": RISK, "series": series, "x": x, "value": value, "low": low,
                   "high": high, "n": len(error)}  # fmt: skip
    assert curve is not None
    for series, values in ((ORACLE, curve.oracle), (RANDOM, curve.random)):
        for x, value in zip(curve.share, values, strict=True):
            yield {"curve": RISK, "series": series, "x": x, "value": value, "n": len(error)}


def _width(
    given: EffectIntervals, observed: np.ndarray, observed_se: np.ndarray, labels: tuple[str, ...]
) -> Iterator[dict[str, object]]:
    width = np.sqrt((given.spread(observed_se) ** 2).mean(1))
    missed = np.sqrt(((observed - given.effect) ** 2).mean(1))
    for index, label in enumerate(labels):
        series = given.verdicts[index] if given.verdicts else ""
        yield {"curve": WIDTH, "series": series, "label": label, "x": width[index],
               "value": missed[index], "n": 1}  # fmt: skip
