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

    Split conformal over *perturbations*: each counts once, whatever its number of genes, and one
    more, the one that is asked for, may lie anywhere. So N of them support levels up to
    N / (N + 1); beyond it the multiple is NaN. Perturbations of the same third by predicted size
    count `1 + OWN` times: a quantile per stratum, drawn towards the pooled one.

    Source: Vovk, Gammerman and Shafer 2005, chapter 2; Papadopoulos et al. 2002 for scores divided
    by a predicted size.
    """

    scores: np.ndarray  # [N, G], |error| / predicted standard deviation
    sizes: np.ndarray  # [N], logarithm

    @property
    def unit(self) -> float:
        """Return the root mean square of the scores, 1 if all are 0, NaN without any."""
        found = float(np.sqrt((self.scores**2).mean())) if self.scores.size else np.nan
        return 1.0 if found == 0 else found

    @property
    def highest(self) -> float:
        """Return the highest level that so many perturbations support."""
        return len(self.scores) / (len(self.scores) + 1)

    def multiples(self, level: float, sizes: np.ndarray) -> np.ndarray:
        """Return the multiple of the predicted size [P] whose interval covers a share `level`."""
        share = level / self.highest if len(self.scores) else np.inf
        if share > 1:
            return np.full(len(sizes), np.nan)
        strata = len(self._cuts) + 1
        found = np.array([self._quantile(share, stratum) for stratum in range(strata)])
        return found[np.searchsorted(self._cuts, sizes)]

    @cached_property
    def _cuts(self) -> np.ndarray:
        if len(self.sizes) < FEWEST:
            return np.zeros(0)
        return np.quantile(self.sizes, np.arange(1, STRATA) / STRATA)

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all scores in order, and the perturbation of each."""
        order = np.argsort(self.scores, axis=None, kind="stable")
        return self.scores.ravel()[order], order // self.scores.shape[1]

    def _quantile(self, share: float, stratum: int) -> float:
        own = np.searchsorted(self._cuts, self.sizes) == stratum
        values, owner = self._sorted
        below = np.cumsum((1.0 + OWN * own)[owner])
        at = np.searchsorted(below, share * below[-1] * (1 - 1e-12))
        return float(values[min(int(at), len(values) - 1)])
