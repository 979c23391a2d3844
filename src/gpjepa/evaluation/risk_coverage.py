"""Risk against coverage: how wrong are the predictions that the model itself trusts most?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.bootstrap import DRAWS, TAIL
from gpjepa.evaluation.metric import Metric

FEWEST = 3  # perturbations that an order says something about

RISK_METRICS = (
    Metric("risk_coverage_area", 0.0, np.inf, "lower", "mean error kept, by predicted error"),
    Metric("risk_coverage_area_novelty", 0.0, np.inf, "lower", "mean error kept, by novelty"),
)


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Mean error of the k perturbations trusted most, for k = 1 … P, arrays [P].

    `low` and `high` hold 95 % of resamples of the perturbations. `oracle` is what the order by
    the errors themselves would keep, `random` what any order keeps on average. Areas are means
    over k; the skill is 0 for a random order and 1 for the oracle's.
    """

    share: np.ndarray
    risk: np.ndarray
    low: np.ndarray
    high: np.ndarray
    oracle: np.ndarray
    random: np.ndarray
    area: float
    area_low: float
    area_high: float

    @property
    def oracle_area(self) -> float:
        """Return the smallest area that an order of these errors can have."""
        return float(self.oracle.mean())

    @property
    def random_area(self) -> float:
        """Return the area that an order knowing nothing has on average: the mean error."""
        return float(self.random.mean())

    @property
    def skill(self) -> float:
        """Return (random − area) / (random − oracle); NaN where all errors are the same."""
        room = self.random_area - self.oracle_area
        return (self.random_area - self.area) / room if room > 0 else float("nan")


def risk_coverage(error: np.ndarray, doubt: np.ndarray, seed: int) -> RiskCoverage:
    """Return the risk-coverage curve of errors [P] kept in the order of rising `doubt` [P].

    Errors are ≥ 0, in any unit; `doubt` may be a predicted standard deviation or a novelty, of
    which only the order counts. Perturbations with the same doubt come in random order, and the
    curve is the expectation over it. Raises `ValueError` without a perturbation, for lengths that
    differ or values that are not finite.

    Source: Geifman and El-Yaniv (2017), section 2; the area as in Geifman et al. (2019).
    """
    error, doubt = np.asarray(error, dtype=np.float64), np.asarray(doubt, dtype=np.float64)
    if error.ndim != 1 or error.shape != doubt.shape or not error.size:
        raise ValueError(
            f"errors have shape {error.shape}, doubts {doubt.shape}; expected one of each per "
            "perturbation, and at least one perturbation"
        )
    if not (np.isfinite(error).all() and np.isfinite(doubt).all()):
        raise ValueError("errors and doubts hold values that are not finite; leave those rows out")
    count, largest = error.size, float(np.abs(doubt).max())
    doubt = np.round(doubt / (largest or 1.0), 9)  # rounding errors of one width are no order
    risk = _kept(error, doubt)
    rng = numpy_stream(seed, "risk coverage", count)
    curves = np.empty((DRAWS, count))
    for draw, rows in enumerate(rng.integers(0, count, size=(DRAWS, count))):
        curves[draw] = _kept(error[rows], doubt[rows])
    low, high = np.quantile(curves, [TAIL, 1.0 - TAIL], axis=0)
    area_low, area_high = np.quantile(curves.mean(axis=1), [TAIL, 1.0 - TAIL])
    return RiskCoverage(
        share=np.arange(1, count + 1) / count,
        risk=risk,
        low=low,
        high=high,
        oracle=_kept(error, error),
        random=np.full(count, error.mean()),
        area=float(risk.mean()),
        area_low=float(area_low),
        area_high=float(area_high),
    )


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's correlation [P] with [P]: 0 where one side is flat, NaN for two or less."""
    if len(first) < FEWEST:
        return float("nan")
    flat = np.ptp(first) <= 1e-9 * np.abs(first).max() or np.ptp(second) == 0
    return 0.0 if flat else float(stats.spearmanr(first, second).statistic)


def _kept(error: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """Return the mean error of the first k in the order of doubt, ties at their mean, [P]."""
    order = np.argsort(doubt, kind="stable")
    _, tie, sizes = np.unique(doubt[order], return_inverse=True, return_counts=True)
    level = np.bincount(tie, weights=error[order]) / sizes
    return np.cumsum(level[tie]) / np.arange(1, len(error) + 1)
