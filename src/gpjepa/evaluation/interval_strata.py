"""Coverage where it matters: by the size of the predicted effect, not over everything alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas

from gpjepa.evaluation.bootstrap import bootstrap_mean
from gpjepa.evaluation.interval_table import EffectIntervals, normal_quantile
from gpjepa.evaluation.intervals import LEVELS
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.report_table import ALL, COLUMNS

FEWEST = 9  # perturbations that are cut into three by size
SIZES = ("small", "medium", "large")
MOVED = 20  # genes of a perturbation that are predicted to move most
MOVED_SHARE = 5  # at most a fifth of the genes
EVERYTHING, MOST_MOVED = "all", "moved"

STRATUM_METRICS = tuple(
    Metric(f"coverage_{100 * level:.0f}_{stratum}", level, 0.0, "target", f"inside, {stratum}")
    for stratum in (*SIZES, MOST_MOVED)
    for level in LEVELS
)


def strata(given: EffectIntervals) -> Mapping[str, np.ndarray]:
    """Return the strata of effects as masks [P, G]: all, small, medium, large and moved.

    Perturbations are cut into thirds by the length of their *predicted* effect, and "moved" are
    the genes that each is predicted to move most. By the observed size even a calibrated forecast
    covers the large ones too rarely, as they are large by noise too. No thirds with fewer than
    `FEWEST` perturbations.
    """
    shape = given.effect.shape
    found = {EVERYTHING: np.ones(shape, dtype=bool)}
    if shape[0] >= FEWEST:
        order = np.argsort(np.linalg.norm(given.effect, axis=1), kind="stable")
        for name, rows in zip(SIZES, np.array_split(order, len(SIZES)), strict=True):
            found[name] = np.zeros(shape, dtype=bool)
            found[name][rows] = True
    count = min(MOVED, shape[1] // MOVED_SHARE)
    if count:
        largest = np.argsort(-np.abs(given.effect), axis=1, kind="stable")[:, :count]
        found[MOST_MOVED] = np.zeros(shape, dtype=bool)
        np.put_along_axis(found[MOST_MOVED], largest, True, axis=1)
    return found


def coverage_by_perturbation(
    scores: np.ndarray, mask: np.ndarray, levels: tuple[float, ...]
) -> np.ndarray:
    """Return the share inside per level and perturbation that a mask [P, G] touches, [L, Q].

    `scores` [P, G] are those of `EffectIntervals.scores`.
    """
    use = mask.any(1)
    out, weight = np.abs(scores[use]), mask[use]
    return np.stack(
        [
            ((out <= normal_quantile(level)) & weight).sum(1) / weight.sum(1).astype(np.float64)
            for level in levels
        ]
    )


def stratum_rows(
    given: EffectIntervals, scores: np.ndarray, name: str, seed: int
) -> pandas.DataFrame:
    """Return the coverage of every stratum but the whole, at `LEVELS`, means over perturbations.

    `given` and `scores` hold the perturbations whose observed effect has a standard error.
    """
    rows: list[dict[str, object]] = []
    for stratum, mask in strata(given).items():
        if stratum == EVERYTHING:
            continue
        covered = coverage_by_perturbation(scores, mask, LEVELS)
        for level, each in zip(LEVELS, covered, strict=True):
            low, high = bootstrap_mean(each, seed)
            rows.append(
                {
                    "axis": "generative",
                    "metric": f"coverage_{100 * level:.0f}_{stratum}",
                    "perturbation": ALL,
                    "model": name,
                    "value": float(each.mean()),
                    "low": low,
                    "high": high,
                    "n": each.size,
                    "undefined": 0,
                }
            )
    return pandas.DataFrame(rows).reindex(columns=list(COLUMNS))
