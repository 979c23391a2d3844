"""Empirical-Bayes estimates of noisy effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 100
SMALLEST = 1e-8
LEAST_KNOWN = 1e-3  # determined effects that a variance is divided by
LEAST_START = 0.1  # of a gene's mean sampling variance


@dataclass(frozen=True, eq=False)
class Posterior:
    """Effects given their noisy measurements: mean and deviation [P, G].

    `shared` [G] is the estimated error of the control pseudobulk, which all measurements carry,
    and `left` [G] the variance of what it leaves of that error.
    """

    mean: np.ndarray
    deviation: np.ndarray
    shared: np.ndarray
    left: np.ndarray


def empirical_bayes(
    effect: np.ndarray, variance: np.ndarray, control_variance: np.ndarray
) -> Posterior:
    """Shrink measured effects [P, G] towards zero, less the error that they share.

    A measurement is effect + own noise of `variance` [P, G] + the control's noise of
    `control_variance` [G], one draw for all perturbations. The prior of an effect is
    N(0, s_p · t_g): strong perturbations and responsive genes are shrunk little, weak ones almost
    to nothing. Strengths s, responses t and the shared error are estimated in turn, so that
    perturbations and genes lend each other strength; a variance is the sum of squared effects
    over the number of effects that the data determine, to which genes that nobody sees add nothing.
    What all effects have in common may be larger than the control's noise can be: that much of it
    is the perturbations' own, and stays in their means.
    Source: the random-effects form of Efron and Morris 1973, with a product of row and column
    variances and a shared row of noise; the fixed point of MacKay 1992.
    """
    strength = np.ones(effect.shape[0])
    moment = (effect**2 - variance - control_variance).mean(axis=0)
    # A response that starts at zero can never leave it.
    response = np.maximum(moment, LEAST_START * variance.mean(axis=0))
    for _ in range(ROUNDS):
        found = _posterior(effect, variance, control_variance, strength, response)
        known = _trust(strength, response, variance).sum(axis=1)
        strength = _ratio((found.mean**2 / response).sum(axis=1), known)
        found = _posterior(effect, variance, control_variance, strength, response)
        known = _trust(strength, response, variance).sum(axis=0)
        response = _ratio((found.mean**2 / strength[:, None]).sum(axis=0), known)
    return _posterior(effect, variance, control_variance, strength, response)


def _trust(strength: np.ndarray, response: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the share of each measurement that is believed, between 0 and 1."""
    prior = strength[:, None] * response
    return prior / (prior + variance)


def _ratio(squares: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return a prior variance: squared effects over the number of them that the data determine."""
    return np.maximum(squares / np.maximum(known, LEAST_KNOWN), SMALLEST)


def _posterior(
    effect: np.ndarray,
    variance: np.ndarray,
    control_variance: np.ndarray,
    strength: np.ndarray,
    response: np.ndarray,
) -> Posterior:
    """Return the posterior at given prior variances."""
    prior = strength[:, None] * response
    weight = 1.0 / (prior + variance)
    precision = weight.sum(axis=0) + 1.0 / np.maximum(control_variance, SMALLEST)
    shared = (weight * effect).sum(axis=0) / precision
    trust = _trust(strength, response, variance)
    spread = trust * variance + trust**2 / precision
    noise = _of_control(shared, control_variance)
    left = control_variance - noise * np.maximum(control_variance - 1.0 / precision, 0.0)
    mean = trust * (effect - shared) + (1.0 - noise) * shared
    return Posterior(mean, np.sqrt(spread), noise * shared, left)


def _of_control(shared: np.ndarray, control_variance: np.ndarray) -> float:
    """Return the share of what all effects have in common that is the control's noise.

    All of it, unless its mean square is larger than chance would make the noise's.
    """
    level = float(control_variance.mean())
    chance = 1.0 + 2.0 * np.sqrt(2.0 / len(shared))  # two standard errors of a mean square
    own = max(float((shared**2).mean()) - chance * level, 0.0)
    return level / max(level + own, SMALLEST)
