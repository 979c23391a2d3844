"""What errors depend on: fitted to the errors of doubles and of singles left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.compose.conformal import Conformal
from gpjepa.compose.firsts import Relations
from gpjepa.compose.line import Line, fit_line
from gpjepa.compose.members import Alone
from gpjepa.compose.priors import Views
from gpjepa.compose.stack import Stack
from gpjepa.data.labels import members_of
from gpjepa.evaluation.calibration import interval_score
from gpjepa.model.error_bars import strength, traits

REACHES = (0.0, 0.03, 0.06, 0.09, 0.12, 0.15)
LEVEL = 0.9  # of the intervals that choose among them
ALIKE = 2.0  # variance of log error size that related genes share, of the noise's, beforehand
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Spread:
    """Errors of sets: gene scale · exp(line of a set's traits + reach · a member's strength).

    Standard deviations are `unit` times that.
    """

    line: Line
    reach: float
    scale: np.ndarray  # [G]
    unit: float
    conformal: Conformal


@dataclass(frozen=True, eq=False)
class LoneSpread:
    """Errors of genes never perturbed: gene scale · exp(what related genes' errors tell).

    The logarithm of the size of an error is a Gaussian process over genes with the relations'
    own covariance, so that relatives of genes with large effects have wide intervals. Standard
    deviations are `unit` times that.
    """

    parts: np.ndarray  # [K], of the views
    weights: np.ndarray  # [S]
    level: float
    scale: np.ndarray  # [G]
    unit: float
    conformal: Conformal

    def sizes(self, views: Views) -> np.ndarray:
        """Return the logarithm of the factor on the gene scale [N] of the genes of the views."""
        related = np.tensordot(self.parts, views.alike, axes=1)
        return np.asarray(self.level + (1.0 + ALIKE * related) @ self.weights)


def left_out_traits(stack: Stack, alone: Alone) -> np.ndarray:
    """Return the traits [N, T] of the doubles left out, as their own folds saw them."""
    held_out, errors = stack.held_out, stack.errors
    assert held_out is not None
    assert errors is not None
    sums = alone.sums(held_out.labels)
    parts = (stack.mixed(held_out.doubt), held_out.truth + errors)
    own = (stack.alone(alone, held_out.labels), sums)
    return np.asarray(traits(*(torch.from_numpy(part) for part in (*parts, *own))).numpy())


def incidence(alone: Alone, labels: Sequence[str]) -> np.ndarray:
    """Return which genes [labels, V] are members of each label."""
    found = np.zeros((len(labels), len(alone.names)))
    for line, label in enumerate(labels):
        found[line, [alone.row[name] for name in members_of(label)]] = 1.0
    return found


def fit_spread(stack: Stack, alone: Alone, departure: bool = False) -> Spread | None:
    """Fit how far off composed effects are to the errors of the doubles left out.

    With `departure` that of the departure from the sum of the singles, whose errors hold the noise
    of the singles too: prediction minus denoised sum, against the measured double minus the
    measured singles. None where no doubles were left out.
    """
    held_out, errors = stack.held_out, stack.errors
    if held_out is None or errors is None:
        return None
    if departure:
        own = stack.alone(alone, held_out.labels)
        errors = errors + alone.sums(held_out.labels) - own
    members = incidence(alone, held_out.labels)
    rows = [[alone.row[name] for name in members_of(label)] for label in held_out.labels]
    described, single = left_out_traits(stack, alone), alone.effects[np.array(rows)]
    others, scale = _scales(errors)
    moved = strength_of(single, others)
    best = np.inf
    for reach in REACHES:
        own = others * np.exp(reach * moved)
        line, sizes = fit_line(described, members, _log_size(errors / own))
        spread = own * np.exp(sizes)[:, None]
        scores = np.abs(errors) / spread
        half = np.quantile(scores, LEVEL) * spread
        score = float(interval_score(errors, -half, half, LEVEL).mean())
        if score < best:
            unit, known = _unit(errors, spread), Conformal(scores, sizes)
            best, found = score, Spread(line, reach, scale, unit, known)
    return found


def fit_lone_spread(relations: Relations, views: Views, errors: np.ndarray) -> LoneSpread:
    """Fit how far off effects from relations are to the `errors` [S, G] of singles left out."""
    parts = relations.parts[1:] / max(relations.parts[1:].sum(), TINY)
    count = len(errors)
    if count < 2:
        nothing = Conformal(np.zeros((0, errors.shape[1])), np.zeros(0))
        unknown = np.full(errors.shape[1], np.nan)
        return LoneSpread(parts, np.zeros(count), 0.0, unknown, np.nan, nothing)
    others, scale = _scales(errors)
    values = _log_size(errors / others)
    mean = values.mean()
    covariance = 1.0 + ALIKE * np.tensordot(parts, views.alike, axes=1)
    precision = np.linalg.inv(covariance + np.eye(count))
    weights = precision @ (values - mean)
    sizes = values - weights / np.diagonal(precision)
    spread = others * np.exp(sizes)[:, None]
    known = Conformal(np.abs(errors) / spread, sizes)
    return LoneSpread(parts, weights, float(mean), scale, _unit(errors, spread), known)


def _unit(errors: np.ndarray, spread: np.ndarray) -> float:
    """Return the factor on `spread` [N, G] that makes it standard deviations; 1 without an error.

    Then squared errors summed over genes are the variance of the perturbation, on average over
    perturbations. Gene by gene the ratio would hang on the few genes whose spread is smallest.
    """
    found = float(np.sqrt(((errors**2).sum(axis=1) / (spread**2).sum(axis=1)).mean()))
    return 1.0 if found == 0 else found


def strength_of(singles: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return how strongly the strongest member [N, K, G] moves each gene, by a scale per row."""
    found = [
        strength(torch.from_numpy(own[None]), torch.from_numpy(each)).numpy()[0]
        for own, each in zip(singles, scale, strict=True)
    ]
    return np.asarray(found)


def _scales(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the root mean square of each gene's errors, without each row [N, G], and of all [G].

    A row's own error must not be in the scale that it is divided by: large ones would look small.
    """
    squares = errors**2
    total = squares.sum(axis=0)
    least = 1e-9 * np.sqrt(squares.mean()) + TINY
    others = np.sqrt(np.maximum(total - squares, 0.0) / max(len(errors) - 1, 1))
    return np.maximum(others, least), np.maximum(np.sqrt(total / len(errors)), least)


def _log_size(scaled: np.ndarray) -> np.ndarray:
    """Return the logarithm of the root mean square [N] of standardised errors [N, G]."""
    return np.asarray(0.5 * np.log((scaled**2).mean(axis=1) + TINY))
