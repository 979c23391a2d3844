"""How many standard deviations an interval needs, from perturbations left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

STRATA = 3  # by predicted size of the error
FEWEST = 30  # perturbations from which strata are told apart
OWN = 3.0  # weight that a perturbation of the same stratum has more than one of another


@dataclass(frozen=True, eq=False)
class Conformal:
    """Standardised errors of N perturbations left out, and what their size was predicted to be.

    Conformal over *perturbations*: each counts once, whatever its number of genes. The multiple of
    a level is the quantile of all scores at the share at which each perturbation, held against the
    others alone, is covered to that level on average: exact in the mean, where one more score at
    infinity would err wide by up to 1 / N. N of them support levels up to N / (N + 1); beyond it
    the multiple is NaN. Perturbations of the same third by predicted size count `1 + OWN` times: a
    quantile per stratum, drawn towards the pooled one.

    Source: Vovk 2015 (cross-conformal predictors, here leaving one out); Papadopoulos et al. 2002
    for scores divided by a predicted size.
    """

    scores: np.ndarray  # [N, G], |error| / predicted standard deviation
    sizes: np.ndarray  # [N], logarithm

    @property
    def highest(self) -> float:
        """Return the highest level that so many perturbations support."""
        return len(self.scores) / (len(self.scores) + 1)

    def multiples(self, level: float, sizes: np.ndarray) -> np.ndarray:
        """Return the multiple of the predicted size [P] whose interval covers a share `level`."""
        if not len(self.scores) or level > self.highest:
            return np.full(len(sizes), np.nan)
        strata = len(self._cuts) + 1
        found = np.array([self._quantile(level, stratum) for stratum in range(strata)])
        return found[np.searchsorted(self._cuts, sizes)]

    @cached_property
    def _cuts(self) -> np.ndarray:
        if len(self.sizes) < FEWEST:
            return np.zeros(0)
        return np.quantile(self.sizes, np.arange(1, STRATA) / STRATA)

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return all scores in order, the perturbation of each, and how many of its own are less.

        The scores of one perturbation stay in order where they are equal.
        """
        order = np.argsort(self.scores, axis=None, kind="stable")
        owner = order // self.scores.shape[1]
        within = self.scores.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        return self.scores.ravel()[order], owner, within.ravel()[order]

    def _quantile(self, level: float, stratum: int) -> float:
        own = np.searchsorted(self._cuts, self.sizes) == stratum
        values, owner, within = self._sorted
        weights = (1.0 + OWN * own)[owner]
        upto = np.cumsum(weights)
        share = level
        if len(self.scores) > 1:
            others = upto[-1] - self.scores.shape[1] * weights
            share = _weighted_quantile((upto - (within + 1) * weights) / others, weights, level)
        return float(values[min(np.searchsorted(upto, share * upto[-1]), len(values) - 1)])


def _weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Return the least of the values at or below which a share of the weights lies."""
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order])
    at = np.searchsorted(upto, share * upto[-1] * (1 - 1e-12))
    return float(values[order[min(int(at), len(order) - 1)]])
