"""A mixture of multinomials: the plainest generative model of kinds of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import logsumexp

COMPONENTS = 40
ITERATIONS = 50
TOLERANCE = 1e-6  # relative gain of the likelihood at which the fit ends
SMOOTHING = 1.0  # counts of the mean profile added to every component, so that none is 0


@dataclass(frozen=True, eq=False)
class Mixture:
    """Log probabilities of genes [K, G] and log weights [K]; the likelihood of every iteration."""

    log_rate: np.ndarray
    log_weight: np.ndarray
    likelihood: tuple[float, ...]

    def coordinates(self, counts: sparse.csr_matrix) -> np.ndarray:
        """Return per cell the mean log probability of a count under each component, [B, K].

        Centred over components: the log posterior per count. Posteriors themselves are nought or
        one in deep cells, which leaves nothing of what is near to what.
        """
        total = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        values = np.asarray(counts @ self.log_rate.T) / np.maximum(total, 1.0)[:, None]
        centred: np.ndarray = values - values.mean(axis=1, keepdims=True)
        return centred


def fit_mixture(
    counts: sparse.csr_matrix,
    rng: np.random.Generator,
    components: int = COMPONENTS,
    iterations: int = ITERATIONS,
) -> Mixture:
    """Fit a mixture of multinomials to cells [B, G] by expectation maximisation.

    It starts from as many cells as there are components, drawn at random. The penalised
    likelihood, nats per count without the multinomial coefficient, never falls.

    Source: Dempster, Laird and Rubin 1977; MacKay, Information Theory (2003), section 22.
    """
    components = min(components, counts.shape[0])
    counts = counts.astype(np.float64)
    pooled = np.asarray(counts.sum(axis=0)).ravel() + 1e-9
    prior = SMOOTHING * pooled / pooled.sum()
    start = np.sort(rng.choice(counts.shape[0], components, replace=False))
    rate = counts[start].toarray() + 10.0 * prior
    weight = np.full(components, 1.0 / components)
    likelihood: list[float] = []
    for _ in range(iterations):
        log_rate = np.log(rate / rate.sum(axis=1, keepdims=True))
        joint = np.asarray(counts @ log_rate.T) + np.log(weight)
        evidence = logsumexp(joint, axis=1)
        penalty = float((log_rate @ prior).sum())
        likelihood.append((float(evidence.sum()) + penalty) / max(counts.sum(), 1.0))
        gain = likelihood[-1] - likelihood[-2] if len(likelihood) > 1 else np.inf
        if gain < TOLERANCE * abs(likelihood[-1]):
            break
        share = np.exp(joint - evidence[:, None])
        rate = np.asarray((counts.T @ share).T) + prior
        weight = np.maximum(share.mean(axis=0), 1e-12)
    return Mixture(log_rate, np.log(weight), tuple(likelihood))
