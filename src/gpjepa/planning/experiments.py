"""Next experiments: which unmeasured candidates to measure together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gpjepa.core.errors import ConfigError

TINY = 1e-12
RISE = 0.25  # standard deviations that optimism adds to what a candidate is expected to be worth


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

    def after(self, row: int) -> Belief:
        """Return the belief once a candidate is measured; what it will be is not known yet."""
        return replace(self, covariance=_conditioned(self.covariance, self.noise, row))


def belief_of(likeness: np.ndarray, deviation: np.ndarray, noise: float) -> Belief:
    """Return the belief about N candidates whose errors have `deviation` [N], along one direction.

    They covary as `likeness` [N, N] says; a measurement has the variance `noise`.
    """
    own = np.sqrt(np.maximum(np.diagonal(likeness), TINY))
    covariance = likeness / np.outer(own, own) * np.outer(deviation, deviation)
    count = len(deviation)
    return Belief(np.zeros((count, 1)), covariance, np.ones(1), np.full(count, noise))


def told(belief: Belief, rows: np.ndarray) -> np.ndarray:
    """Return the share of all variance that measuring `rows` in their order takes away, each."""
    total = float(np.diagonal(belief.covariance).sum())
    found = []
    for row in rows:
        left = belief.after(int(row))
        gone = np.diagonal(belief.covariance).sum() - np.diagonal(left.covariance).sum()
        found.append(float(gone) / max(total, TINY))
        belief = left
    return np.array(found)


def most_informative(belief: Belief, n: int, among: np.ndarray | None = None) -> np.ndarray:
    """Return `n` candidates, int64, whose measurement would tell most of all candidates.

    One after the other the candidate that lowers the summed variance of all most, given that those
    before it are measured: near copies of a chosen one have little left to tell. `among` are the
    candidates that may be measured, all for None; the others are to be told of. Raises
    `ConfigError` for fewer candidates than `n`.
    Source: Cohn, Ghahramani and Jordan 1996, greedy.
    """
    among = np.arange(len(belief.mean)) if among is None else among
    _refuse(n, len(among))
    out = np.setdiff1d(np.arange(len(belief.mean)), among)
    chosen: list[int] = []
    for _ in range(n):
        own = np.diagonal(belief.covariance) + belief.noise
        gain = (belief.covariance**2).sum(axis=0) / (own + TINY)
        gain[chosen] = gain[out] = -np.inf
        chosen.append(int(np.argmax(gain)))
        belief = belief.after(chosen[-1])
    return np.array(chosen, dtype=np.int64)


def most_promising(
    belief: Belief, worth: np.ndarray, slope: np.ndarray, n: int, rise: float = RISE
) -> np.ndarray:
    """Return `n` candidates, int64, that may be worth most, in the order of choice.

    `worth` [N] is that of the mean effects, more being better, and `slope` [N, D] its derivative
    by them. Each choice has the highest worth plus `rise` standard deviations; the next ones are
    chosen as if it were measured, so that no two are chosen for the same doubt. Raises
    `ConfigError` for fewer candidates than `n`.
    Source: batch upper confidence bounds, Desautels, Krause and Burdick 2014; linear in effects.
    """
    _refuse(n, len(worth))
    scaled = slope * belief.spread
    alike = scaled @ scaled.T
    covariance, noise = belief.covariance * alike, belief.noise * np.diagonal(alike)
    chosen: list[int] = []
    for _ in range(n):
        bound = worth + rise * np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
        bound[chosen] = -np.inf
        row = int(np.argmax(bound))
        chosen.append(row)
        covariance = _conditioned(covariance, noise, row)
    return np.array(chosen, dtype=np.int64)


def _conditioned(covariance: np.ndarray, noise: np.ndarray, row: int) -> np.ndarray:
    """Return the covariance [N, N] once a candidate is measured with its noise."""
    column = covariance[:, row]
    return np.asarray(covariance - np.outer(column, column) / (column[row] + noise[row] + TINY))


def _refuse(n: int, candidates: int) -> None:
    if not 1 <= n <= candidates:
        raise ConfigError(
            f"{n} experiments of {candidates} candidates; expected 1 to {candidates}; ask for "
            "fewer, or name more candidates"
        )


def closeness(
    effects: np.ndarray, goal: np.ndarray, beyond: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return minus the distance of effects [N, D] to a goal [D], and its derivative [N, D].

    `beyond` is the squared length of the goal outside of the D directions.
    """
    way = goal - effects
    apart = np.sqrt((way**2).sum(axis=1) + max(beyond, 0.0))
    return -apart, way / np.maximum(apart, TINY)[:, None]
