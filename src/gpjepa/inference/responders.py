"""Fractions of responders from evidence, shared and shrunk across perturbations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from scipy.stats import beta

from gpjepa.inference.response_likelihood import FRACTIONS, Evidence
from gpjepa.model.mixture import INDEPENDENT, SHARED

MEANS = tuple(0.025 * step for step in range(1, 40))
CONCENTRATIONS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
LEAST_GAIN = 1.0  # nats per perturbation, for escapers to be believed in
FEWEST_SETS = 3  # combinations of measured members from which their rule is chosen


@dataclass(frozen=True, eq=False)
class FractionPrior:
    """Beta distribution of the fraction of responders over perturbations.

    `gain` is by how many nats per perturbation it explains the cells better than that all respond.
    """

    mean: float
    concentration: float
    gain: float

    @property
    def parameters(self) -> tuple[float, float]:
        """Return a and b of Beta(a, b)."""
        return self.mean * self.concentration, (1.0 - self.mean) * self.concentration

    @property
    def supported(self) -> bool:
        """Say whether there are escapers at all."""
        return self.gain > LEAST_GAIN


def fit_prior(found: Sequence[Evidence]) -> FractionPrior:
    """Return the Beta prior under which the cells of all perturbations are likeliest.

    Empirical Bayes: the fractions are integrated out of each perturbation's evidence.
    Source: Robbins 1956, with a Beta family on a grid.
    """
    mixed = np.stack([each.mixed for each in found])
    plain = np.array([each.plain for each in found])
    best = FractionPrior(0.5, CONCENTRATIONS[0], -np.inf)
    for mean in MEANS:
        for concentration in CONCENTRATIONS:
            weight = log_weights(mean, concentration)
            gain = float((logsumexp(mixed + weight, axis=1) - plain).mean())
            if gain > best.gain:
                best = FractionPrior(mean, concentration, gain)
    return best


def posterior(each: Evidence, prior: FractionPrior) -> tuple[float, float]:
    """Return the Beta distribution with the posterior's mean and variance."""
    log = each.mixed + log_weights(prior.mean, prior.concentration)
    weight = np.exp(log - logsumexp(log))
    fraction = np.array(FRACTIONS)
    mean = float(weight @ fraction)
    step = FRACTIONS[1] - FRACTIONS[0]
    variance = float(weight @ (fraction - mean) ** 2) + step**2 / 12  # within a step of the grid
    total = max(mean * (1.0 - mean) / variance - 1.0, 1.0)
    return mean * total, (1.0 - mean) * total


def choose_rule(
    together: Sequence[Evidence], products: Sequence[float], prior: FractionPrior
) -> int:
    """Return how fractions of combinations never measured are predicted.

    `products` are the products of the members' fractions of the measured combinations
    `together`: what guides that act independently would give. Else combinations have the prior.
    """
    if len(together) < FEWEST_SETS:
        return SHARED
    gain = 0.0
    shared = log_weights(prior.mean, prior.concentration)
    for each, product in zip(together, products, strict=True):
        around = log_weights(product, prior.concentration)
        gain += float(logsumexp(each.mixed + around) - logsumexp(each.mixed + shared))
    return INDEPENDENT if gain > 0.0 else SHARED


def log_weights(mean: float, concentration: float) -> np.ndarray:
    """Return the log probability of each fraction of the grid under a Beta distribution."""
    fraction = np.array(FRACTIONS)
    bounded = min(max(mean, MEANS[0] / 2), 1.0 - MEANS[0] / 2)
    log = beta.logpdf(fraction, bounded * concentration, (1.0 - bounded) * concentration)
    weights: np.ndarray = log - logsumexp(log)
    return weights
