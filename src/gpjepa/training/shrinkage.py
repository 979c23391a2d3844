"""Empirical-Bayes estimates of noisy effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 50
SMALLEST = 1e-8


@dataclass(frozen=True, eq=False)
class Posterior:
    """Mean and standard deviation [P, G] of effects given their noisy measurements."""

    mean: np.ndarray
    deviation: np.ndarray


def empirical_bayes(effect: np.ndarray, variance: np.ndarray) -> Posterior:
    """Shrink measured effects [P, G] with sampling variances [P, G] towards zero.

    The prior of an effect is N(0, s_p · t_g): strong perturbations and responsive genes are
    shrunk little, weak ones almost to nothing. Strengths s and responses t are estimated by
    expectation–maximisation, so that perturbations and genes lend each other strength.
    Source: the random-effects form of Efron and Morris 1973, with a product of row and column
    variances.
    """
    strength = np.ones(effect.shape[0])
    response = np.maximum((effect**2 - variance).mean(axis=0), SMALLEST)
    for _ in range(ROUNDS):
        mean, spread = _posterior(effect, variance, strength, response)
        second = mean**2 + spread
        strength = np.maximum((second / response).mean(axis=1), SMALLEST)
        response = np.maximum((second / strength[:, None]).mean(axis=0), SMALLEST)
    mean, spread = _posterior(effect, variance, strength, response)
    return Posterior(mean, np.sqrt(spread))


def _posterior(
    effect: np.ndarray, variance: np.ndarray, strength: np.ndarray, response: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    prior = strength[:, None] * response
    trust = prior / (prior + variance)
    return trust * effect, trust * variance
