"""Error bars of the mean effect: do the intervals cover, and are they as narrow as they can be?"""

from __future__ import annotations

import numpy as np
from scipy import special

from gpjepa.evaluation.calibration import crps_normal, interval_score
from gpjepa.evaluation.interval_table import EffectIntervals, normal_quantile
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.risk_coverage import rank_correlation

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
    Metric("interval_score_ratio", 0.0, np.inf, "lower", "Winkler score over a constant width's"),
    Metric("effect_pit_distance", 0.0, 1.0, "lower", "Kolmogorov distance of the PIT of effects"),
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
    spread, error = given.spread(observed_se), observed - given.effect
    out = np.abs(given.scores(observed, observed_se))
    scores = [(out <= normal_quantile(level)).mean(1) for level in LEVELS]
    scores.append(crps_normal(observed, given.effect, spread).mean(1))
    scores.append(interval_score(observed, *given.ends(0.9, observed_se), 0.9).mean(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        scores.append((error**2).mean(1) / (spread**2).mean(1))
    low, high = given.ends(0.9)
    scores.append((high - low).mean(1))
    result = np.stack(scores)
    worst = np.array([metric.worst for metric in INTERVAL_METRICS])
    result[:, given.spoiled] = worst[:, None]
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
    given, observed, observed_se = given.take(known), observed[known], observed_se[known]
    if given.spoiled.any():
        return np.array([metric.worst for metric in POOLED_METRICS])
    error, spread = np.abs(observed - given.effect), given.spread(observed_se)
    scaled = np.quantile(error / np.where(spread > 0, spread, np.finfo(float).tiny), 0.9)
    return np.array(
        [
            rank_correlation(given.spread().mean(1), error.mean(1)),
            2.0 * scaled * spread.mean(),
            interval_score_ratio(given, observed, observed_se),
            uniform_distance(pit_of_effects(given, observed, observed_se)),
        ]
    )


def interval_score_ratio(
    given: EffectIntervals, observed: np.ndarray, observed_se: np.ndarray
) -> float:
    """Return the mean interval score at 90 % over that of one width for everything.

    The rival has the same effects, one standard deviation everywhere, as large as it takes to
    cover as much as the given intervals do, and is widened by the observation's error alike: what
    is compared is only whether intervals are wide where errors are large. Below 1 they are.
    """
    own = interval_score(observed, *given.ends(0.9, observed_se), 0.9).mean()
    z = normal_quantile(0.9)
    share = (np.abs(given.scores(observed, observed_se)) <= z).mean()
    needed = np.sqrt(np.maximum(((observed - given.effect) / z) ** 2 - observed_se**2, 0.0))
    constant = _width_between(needed.ravel(), share)
    half = z * np.hypot(constant, observed_se)
    rival = interval_score(observed, given.effect - half, given.effect + half, 0.9).mean()
    return float(own / rival) if rival > 0 else float("nan")


def _width_between(needed: np.ndarray, share: float) -> float:
    """Return a width that holds a `share` of what needs these widths, amid those that do.

    The smallest one would have the advantage of having been chosen on the errors it is scored on.
    """
    ordered = np.concatenate([[0.0], np.sort(needed)])
    count = round(share * (len(ordered) - 1))
    return float(0.5 * (ordered[count] + ordered[min(count + 1, len(ordered) - 1)]))


def pit_of_effects(
    given: EffectIntervals, observed: np.ndarray, observed_se: np.ndarray
) -> np.ndarray:
    """Return the PIT of observed effects [P, G] under var_total = var_model + SE_observed².

    Uniform between 0 and 1 when calibrated; heaped at both ends when overconfident, in the middle
    when underconfident, at one end when biased.

    Source: Gneiting, Balabdaoui and Raftery (2007), section 3.1.
    """
    return special.ndtr(given.scores(observed, observed_se))


def uniform_distance(pit: np.ndarray) -> float:
    """Return the Kolmogorov distance of values in [0, 1], of any shape, from uniform."""
    ordered = np.sort(pit, axis=None)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))
