"""Fitting how far predicted effects are off, from validation perturbations."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from gpjepa.inference.error_model import SCALES, ErrorModel

Array = NDArray[np.float64]
ROUNDS = 60
FOLDS = 10
PRIOR = 2.0  # perturbations' worth of belief in the variances that simulations suggest
INFLATION_PRIOR = 20.0  # perturbations' worth of belief in no inflation, or one for all sizes
WIDEST = 4.0  # of an inflation, and its inverse the narrowest
BISECTIONS = 40
SPREAD_PRIOR = 10.0  # perturbations' worth of belief in how far the largest errors go
LEAST_SPREAD = 0.2  # mean squared error in units of the scale, whatever few residuals say
TINY = 1e-12


class Residuals(NamedTuple):
    """Observed minus predicted effects [P, G] with what explains their size.

    `noise` [P, G] is the sampling variance of the observed effects, `components` [C, P, G] are
    the variances that errors may be made of, `size` [P] the predicted size of each effect.
    """

    values: Array
    noise: Array
    components: Array
    size: Array

    def take(self, rows: NDArray[np.int64]) -> Residuals:
        """Return the perturbations at `rows`."""
        return Residuals(
            self.values[rows], self.noise[rows], self.components[:, rows], self.size[rows]
        )


def fit_errors(residuals: Residuals, start: ErrorModel, fewest: int) -> ErrorModel:
    """Return the error model of the effects themselves, the noise of the observed ones taken off.

    Observed residuals are errors plus sampling noise: both the variance components (maximum
    likelihood by the multiplicative updates of Zhou et al. 2019) and the mixture of scales
    (expectation maximisation, Stephens 2017) are fitted to their sum. `start` counts as `PRIOR`
    perturbations. Inflations per stratum of effect size make perturbations left out of the fit
    covered as often as they should be, a stratum shrunk towards the pooled one. With fewer than
    `fewest` perturbations `start` is returned, marked as uncalibrated.
    """
    count = len(residuals.values)
    if count < fewest:
        return start.uncalibrated()
    fitted = _fitted(residuals, start)
    ranks = _left_out(residuals, start)
    edge = float(np.median(residuals.size))
    pooled = _shrunk(_inflation(ranks), 1.0, count)
    inflation = []
    for inside in (residuals.size <= edge, residuals.size > edge):
        rows = np.flatnonzero(inside)
        own = _inflation([ranks[row] for row in rows]) if len(rows) else pooled
        inflation.append(_shrunk(own, pooled, len(rows)))
    found = replace(fitted, edge=edge, inflation=(inflation[0], inflation[1]), perturbations=count)
    return replace(found, spread=_spread(residuals, found, start.spread))


def _spread(residuals: Residuals, found: ErrorModel, believed: float) -> float:
    """Return the mean squared error over the mean squared scale, drawn to what is believed.

    It hangs on the few largest errors, which validation may happen to lack.
    """
    scale = float(found.variance(residuals.components, residuals.size).sum())
    own = float((residuals.values**2 - residuals.noise).sum()) / max(scale, TINY)
    count = len(residuals.values)
    return max((count * own + SPREAD_PRIOR * believed) / (count + SPREAD_PRIOR), LEAST_SPREAD)


def _shrunk(own: float, middle: float, count: int) -> float:
    """Return an inflation drawn to `middle` as far as few perturbations speak for it."""
    weight = count / (count + INFLATION_PRIOR)
    return float(np.exp(weight * np.log(own) + (1.0 - weight) * np.log(middle)))


def _fitted(residuals: Residuals, start: ErrorModel) -> ErrorModel:
    """Return components and tails fitted to `residuals` together, without inflation."""
    share = PRIOR / len(residuals.values)
    prior, believed = np.array(start.coefficients), np.array(start.weights)
    expected = np.tensordot(prior, residuals.components, axes=1)
    coefficients, weights = np.maximum(prior, TINY), believed.copy()
    for _ in range(ROUNDS):
        scale = np.tensordot(coefficients, residuals.components, axes=1)
        own = _responsible(residuals, scale, weights)
        weights = (own.mean(axis=(1, 2)) + share * believed) / (1.0 + share)
        up, down = np.zeros_like(scale), np.zeros_like(scale)
        for each, now, trust in zip(SCALES, own, believed, strict=True):
            total = each * scale + residuals.noise
            square = now * residuals.values**2
            square += share * trust * (each * expected + residuals.noise)
            up += each * square / total**2
            down += each * (now + share * trust) / total
        gain = (residuals.components * up).sum(axis=(1, 2))
        loss = (residuals.components * down).sum(axis=(1, 2))
        coefficients = coefficients * np.sqrt(gain / np.maximum(loss, TINY))
    return ErrorModel(tuple(coefficients), tuple(weights), start.spread, 0.0, (1.0, 1.0), 0, True)


def _responsible(residuals: Residuals, scale: Array, weights: Array) -> Array:
    """Return how far each scale explains each residual, [K, P, G]."""
    variance = np.stack([each * scale + residuals.noise for each in SCALES])
    joint = np.exp(-0.5 * residuals.values**2 / variance) / np.sqrt(variance)
    joint *= weights[:, None, None]
    return np.asarray(joint / np.maximum(joint.sum(axis=0), 1e-300))


class _LeftOut(NamedTuple):
    """A perturbation's residuals under the model fitted without it."""

    values: Array
    noise: Array
    scale: Array
    weights: Array


def _left_out(residuals: Residuals, start: ErrorModel) -> list[_LeftOut]:
    """Return each perturbation beside what the others say of it."""
    count = len(residuals.values)
    found: list[_LeftOut] = []
    for rows in np.array_split(np.arange(count), min(FOLDS, count)):
        own = _fitted(residuals.take(np.setdiff1d(np.arange(count), rows)), start)
        held = residuals.take(rows)
        scale = np.tensordot(np.array(own.coefficients), held.components, axes=1)
        weights = np.array(own.weights)
        found += [
            _LeftOut(*each, weights) for each in zip(held.values, held.noise, scale, strict=True)
        ]
    return found


def _inflation(rows: list[_LeftOut]) -> float:
    """Return the factor of the scales at which left-out residuals are uniform in rank.

    A residual's rank is the level of the interval that it lies at the end of; a half on average.
    """
    low, high = np.log(1.0 / WIDEST), np.log(WIDEST)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if np.mean([_rank(row, float(np.exp(middle))) for row in rows]) > 0.5:
            low = middle
        else:
            high = middle
    return float(np.exp(0.5 * (low + high)))


def _rank(row: _LeftOut, factor: float) -> float:
    """Return the mean level of the intervals that end at a perturbation's residuals."""
    total = np.zeros_like(row.values)
    for weight, each in zip(row.weights, SCALES, strict=True):
        deviation = np.sqrt(each * factor**2 * row.scale + row.noise)
        total += weight * (2.0 * ndtr(np.abs(row.values) / deviation) - 1.0)
    return float(total.mean())
