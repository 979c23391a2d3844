"""Error bars of the mean effect: do the intervals cover, and are they as narrow as they can be?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas
from scipy import stats

from gpjepa.core.errors import DataError
from gpjepa.data.labels import parse_label
from gpjepa.evaluation.calibration import crps_normal, interval_score
from gpjepa.evaluation.metric import Metric

NEEDED = ("perturbation", "gene", "effect", "low", "high")
LEVEL = 0.9  # of the intervals, where the table does not say
LEVELS = (0.5, 0.8, 0.9, 0.95)

INTERVAL_METRICS = (
    *(
        Metric(f"coverage_{100 * level:.0f}", level, 0.0, "target", "share of effects inside")
        for level in LEVELS
    ),
    Metric("crps", 0.0, np.inf, "lower", "CRPS of the effect, normal, log1p units"),
    Metric("interval_score_90", 0.0, np.inf, "lower", "Winkler score, log1p units"),
    Metric("spread_skill", 1.0, np.inf, "target", "mean squared error over mean variance"),
    Metric("sharpness_90", 0.0, np.inf, "lower", "mean width of 90 % model intervals"),
)
POOLED_METRICS = (
    Metric("spearman_sd_error", 1.0, -1.0, "higher", "rank r of mean sd and mean error"),
    Metric("sharpness_at_90_coverage", 0.0, np.inf, "lower", "total width that would cover 90 %"),
)


@dataclass(frozen=True, eq=False)
class EffectIntervals:
    """Predicted effects with their error bars, arrays [P, G] in log1p units.

    `below` and `above` are standard deviations on either side of `effect`, from the interval's
    ends by the normal quantile of its level. `verdicts` [P] is empty without such a column.
    """

    effect: np.ndarray
    below: np.ndarray
    above: np.ndarray
    verdicts: tuple[str, ...]


def read_intervals(
    table: pandas.DataFrame, perturbations: tuple[str, ...], genes: np.ndarray
) -> EffectIntervals:
    """Arrange a table of perturbation, gene, effect, low, high as arrays.

    A `level` column gives the coverage that the intervals claim, .9 without one.

    Raises:
        DataError: a column, a perturbation or a gene is missing, a row is there twice, an
            interval is upside down, or levels differ.
    """
    absent = [column for column in NEEDED if column not in table]
    if absent:
        raise DataError(
            f"the effects table lacks {', '.join(absent)} (it has "
            f"{', '.join(map(str, table.columns))}); expected {', '.join(NEEDED)}; rename or add"
        )
    parsed = {text: parse_label(text) for text in set(table["perturbation"].astype(str))}
    labels = np.array([parsed[text] for text in table["perturbation"].astype(str)], dtype=object)
    row = pandas.Index(np.array(perturbations, dtype=object)).get_indexer(labels)
    column = pandas.Index(np.asarray(genes, dtype=object)).get_indexer(
        np.array([str(gene) for gene in table["gene"]], dtype=object)
    )
    use = (row >= 0) & (column >= 0)
    seen = np.zeros((len(perturbations), len(genes)), dtype=np.int64)
    np.add.at(seen, (row[use], column[use]), 1)
    _require_all(seen, perturbations, genes)
    arrays = {}
    for name in ("effect", "low", "high"):
        arrays[name] = np.full(seen.shape, np.nan)
        arrays[name][row[use], column[use]] = table[name].to_numpy(dtype=np.float64)[use]
    if (arrays["low"] > arrays["high"]).any():
        raise DataError(
            "the effects table has intervals with low above high; expected low ≤ high; swap them"
        )
    z = stats.norm.ppf(0.5 + 0.5 * _level(table))
    return EffectIntervals(
        effect=arrays["effect"],
        below=(arrays["effect"] - arrays["low"]) / z,
        above=(arrays["high"] - arrays["effect"]) / z,
        verdicts=_verdicts(table, labels, perturbations),
    )


def score_intervals(
    given: EffectIntervals, observed: np.ndarray, observed_se: np.ndarray
) -> np.ndarray:
    """Score intervals per perturbation on `INTERVAL_METRICS`, [M, P].

    The observed effect has its own sampling error, so an interval is widened to
    √(sd² + observed_se²) before it is asked to cover: var_total = var_model + SE_observed².
    Sharpness is of the model's own interval. A perturbation whose standard error is not known
    (one cell) is NaN, undefined; a NaN in the prediction is the worst value.
    """
    below, above = np.hypot(given.below, observed_se), np.hypot(given.above, observed_se)
    spread = 0.5 * (below + above)
    scores = []
    for level in LEVELS:
        z = stats.norm.ppf(0.5 + 0.5 * level)
        inside = observed >= given.effect - z * below
        scores.append((inside & (observed <= given.effect + z * above)).mean(1))
    z = stats.norm.ppf(0.95)
    low, high = given.effect - z * below, given.effect + z * above
    error = observed - given.effect
    scores.append(crps_normal(observed, given.effect, spread).mean(1))
    scores.append(interval_score(observed, low, high, 0.9).mean(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        scores.append((error**2).mean(1) / (spread**2).mean(1))
    scores.append((z * (given.below + given.above)).mean(1))
    result = np.stack(scores)
    spoiled = np.isnan(given.effect + given.below + given.above).any(1)
    worst = np.array([metric.worst for metric in INTERVAL_METRICS])
    result[:, spoiled] = worst[:, None]
    result[:, np.isnan(observed_se).any(1)] = np.nan
    return result


def score_pooled(
    given: EffectIntervals, observed: np.ndarray, observed_se: np.ndarray
) -> np.ndarray:
    """Score intervals over all perturbations on `POOLED_METRICS`, [M].

    The rank correlation is over perturbations, of mean standard deviation with mean absolute
    error, as over genes it would mostly say which genes vary. NaN for fewer than three.
    """
    known = ~np.isnan(observed_se).any(1)
    if not known.any():
        return np.full(len(POOLED_METRICS), np.nan)
    if np.isnan(given.effect + given.below + given.above)[known].any():
        return np.array([metric.worst for metric in POOLED_METRICS])
    below, above = given.below[known], given.above[known]
    error = np.abs(observed - given.effect)[known]
    spread = 0.5 * (np.hypot(below, observed_se[known]) + np.hypot(above, observed_se[known]))
    scaled = np.quantile(error / np.where(spread > 0, spread, np.finfo(float).tiny), 0.9)
    model, missed = (0.5 * (below + above)).mean(1), error.mean(1)
    rank = np.nan
    if known.sum() >= 3:
        flat = np.ptp(model) <= 1e-9 * np.abs(model).max() or np.ptp(missed) == 0
        rank = 0.0 if flat else float(stats.spearmanr(model, missed).statistic)
    return np.array([rank, 2.0 * scaled * spread.mean()])


def _require_all(seen: np.ndarray, perturbations: tuple[str, ...], genes: np.ndarray) -> None:
    if (seen > 1).any():
        row, column = np.argwhere(seen > 1)[0]
        raise DataError(
            f"the effects table has {perturbations[row]!r}, gene {genes[column]!r} more than once; "
            "expected one row for each; remove the repeats"
        )
    lacking = seen == 0
    if not lacking.any():
        return
    empty = [label for label, row in zip(perturbations, lacking, strict=True) if row.all()]
    row, column = np.argwhere(lacking)[0]
    what = (
        f"perturbation {', '.join(map(repr, empty[:5]))}"
        if empty
        else f"{int(lacking.sum())} effects, among them {perturbations[row]!r} on {genes[column]!r}"
    )
    raise DataError(
        f"the effects table lacks {what}; expected every observed perturbation with every scored "
        "gene; add the rows"
    )


def _level(table: pandas.DataFrame) -> float:
    if "level" not in table:
        return LEVEL
    levels = table["level"].unique()
    if len(levels) != 1 or not 0.0 < float(levels[0]) < 1.0:
        raise DataError(
            f"the effects table has the levels {', '.join(map(str, levels[:5]))}; expected one "
            "between 0 and 1; give the intervals of one level"
        )
    return float(levels[0])


def _verdicts(
    table: pandas.DataFrame, labels: np.ndarray, perturbations: tuple[str, ...]
) -> tuple[str, ...]:
    if "verdict" not in table:
        return ()
    first = dict(zip(labels[::-1], table["verdict"].astype(str).to_numpy()[::-1], strict=True))
    return tuple(first[label] for label in perturbations)
