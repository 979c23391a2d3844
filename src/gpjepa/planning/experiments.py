"""Next experiments: which unmeasured candidates to measure together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gpjepa.core.errors import ConfigError

TINY = 1e-12
RISE = 1.0  # standard deviations that optimism adds to what a candidate is expected to be worth


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of the effects of N candidates along D independent directions.

    Effects are normal about `mean` [N, D]; along direction d their covariance is `spread`[d]² times
    `covariance` [N, N]. A measurement adds noise of variance `spread`[d]² times `noise` [N].
    """

    mean: np.ndarray
    covariance: np.ndarray
    spread: np.ndarray
    noise: np.ndarray

    def draw(self, samples: int, rng: np.random.Generator) -> np.ndarray:
        """Return effects as they might be measured [S, N, D], noise included.

        Every other draw mirrors the one before it about the mean, so that means of draws are
        exact for what is linear in effects; S is `samples` rounded up to an even number.
        """
        count, width = self.mean.shape
        root = _root(self.covariance + np.diag(self.noise))
        half = rng.standard_normal(((samples + 1) // 2, count, width))
        normal = np.stack((half, -half), axis=1).reshape(-1, count, width)
        return np.asarray(self.mean + np.matmul(root, normal) * self.spread)

    def after(self, row: int) -> Belief:
        """Return the belief once a candidate is measured; what it will be is not known yet."""
        column = self.covariance[:, row]
        told = np.outer(column, column) / (column[row] + self.noise[row] + TINY)
        return replace(self, covariance=self.covariance - told)


def most_informative(belief: Belief, n: int) -> np.ndarray:
    """Return `n` candidates, int64, whose measurement would tell most of all candidates.

    One after the other the candidate that lowers the summed variance of all most, given that those
    before it are measured: near copies of a chosen one have little left to tell. Raises
    `ConfigError` for fewer candidates than `n`.
    Source: Cohn, Ghahramani and Jordan 1996, greedy.
    """
    _refuse(n, len(belief.mean))
    chosen: list[int] = []
    for _ in range(n):
        own = np.diagonal(belief.covariance) + belief.noise
        gain = (belief.covariance**2).sum(axis=0) / (own + TINY)
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
        belief = belief.after(chosen[-1])
    return np.array(chosen, dtype=np.int64)


def most_promising(values: np.ndarray, n: int, rise: float = RISE) -> np.ndarray:
    """Return `n` candidates, int64, that may be worth most, best first.

    `values` [S, N] are joint draws of what the candidates are worth, more being better. Each choice
    has the highest mean plus `rise` standard deviations; what its measurement will tell of the
    others is then taken out of their draws, so that the next is not chosen for the same doubt.
    Raises `ConfigError` for fewer candidates than `n`.
    Source: batch upper confidence bounds, Desautels, Krause and Burdick 2014, on draws.
    """
    _refuse(n, values.shape[1])
    mean = values.mean(axis=0)
    left = values - mean
    chosen: list[int] = []
    for _ in range(n):
        bound = mean + rise * left.std(axis=0)
        bound[chosen] = -np.inf
        chosen.append(int(np.argmax(bound)))
        own = left[:, chosen[-1]]
        slope = own @ left / max(float(own @ own), TINY)
        left = left - own[:, None] * slope
    return np.array(chosen, dtype=np.int64)


def _refuse(n: int, candidates: int) -> None:
    if not 1 <= n <= candidates:
        raise ConfigError(
            f"{n} experiments of {candidates} candidates; expected 1 to {candidates}; ask for "
            "fewer, or name more candidates"
        )


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return R with R Rᵀ = covariance, which may be singular."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
