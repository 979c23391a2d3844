"""What a table tells of combinations not yet measured: their effects, and how they covary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from gpjepa.compose.candidates import FEWEST_DOUBLES
from gpjepa.compose.kernel_fit import Residuals, fit_interaction, left_out_errors
from gpjepa.compose.members import Alone
from gpjepa.evaluation.baselines_strong import (
    direction_factors,
    leading_directions,
    median_distance,
)
from gpjepa.model.composition import Members, PairKernel
from gpjepa.planning.experiments import Belief

PULL = 20.0  # doubles' worth of pull of a direction's factor towards the shared one
UNTOLD = 0.5  # error of the sum, relative to a typical sum, while too few doubles tell
UNTOLD_NOISE = 0.25  # noise variance of the kernel, in its unit, likewise
LEAST = 0.05  # of a typical distance between singles: what is shorter counts as this long


class Kernel(NamedTuple):
    """A kernel between pairs and the noise variance that was learned with it."""

    kernel: PairKernel
    noise: float


def believe(
    alone: Alone,
    measured: Sequence[str],
    effects: np.ndarray,
    labels: Sequence[str],
    kernel: Kernel | None = None,
) -> tuple[Belief, np.ndarray, Kernel]:
    """Return the belief about pairs, the directions [D, G] that it is along, and its kernel.

    `measured` pairs have `effects` [M, G]. A given `kernel` is kept, otherwise one is learned by
    marginal likelihood; with fewer than eight pairs one that knows nothing stands in. Standard
    deviations are those that the measured pairs, each predicted from the others, bear out.
    """
    known = np.concatenate((alone.effects, effects)) if len(effects) else alone.effects
    basis = leading_directions(known)
    singles = alone.effects @ basis.T
    unit = median_distance(singles)
    anchors, asked = (alone.members(names, basis, size=2) for names in (measured, labels))
    sums, totals = (each.effects.sum(dim=1).numpy() for each in (anchors, asked))
    doubles = effects @ basis.T if len(effects) else np.zeros((0, len(basis)))
    factors = direction_factors(sums, doubles, PULL)
    residuals = doubles - factors * sums
    size = _size(totals, unit)
    if len(measured) < FEWEST_DOUBLES:
        kernel = kernel or Kernel(PairKernel(unit).double(), UNTOLD_NOISE)
        covariance = _matrix(kernel.kernel, asked, asked)
        level = float(np.diagonal(covariance).mean()) + kernel.noise
        spread = UNTOLD * np.sqrt((totals**2).mean(axis=0) / (level * (size**2).mean()))
        mean = factors * totals
    else:
        kernel = kernel or _learn(anchors, residuals, singles, doubles, unit)
        own = _matrix(kernel.kernel, anchors, anchors) + kernel.noise * np.eye(len(measured))
        cross = _matrix(kernel.kernel, asked, anchors)
        precision = np.linalg.inv(own)
        mean = factors * totals + cross @ precision @ residuals
        covariance = _matrix(kernel.kernel, asked, asked) - cross @ precision @ cross.T
        spread = _spread(own, residuals / _size(sums, unit)[:, None], precision)
    noise = kernel.noise * size**2
    return Belief(mean, covariance * np.outer(size, size), spread, noise), basis, kernel


def _learn(
    anchors: Members, residuals: np.ndarray, singles: np.ndarray, doubles: np.ndarray, unit: float
) -> Kernel:
    """Learn the kernel by the marginal likelihood of the measured pairs' residuals."""
    sums = anchors.effects.sum(dim=1).numpy()
    error = np.linalg.norm(doubles - sums, axis=1)
    known = np.concatenate((singles, doubles))
    described = Residuals.of(residuals, error, sums, known, unit)
    interaction, noise = fit_interaction(anchors, described, unit, "evidence")
    return Kernel(interaction.kernel, float(noise))


def _spread(covariance: np.ndarray, residuals: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Return the scale of each direction [D] that makes left-out errors as large as believed."""
    errors = left_out_errors(torch.from_numpy(covariance), torch.from_numpy(residuals)).numpy()
    return np.asarray(np.sqrt((errors**2 * np.diagonal(precision)[:, None]).mean(axis=0)))


def _size(sums: np.ndarray, unit: float) -> np.ndarray:
    """Return how doubt grows with the length of a sum [N]: with its square root."""
    return np.sqrt(np.maximum(np.linalg.norm(sums, axis=1) / unit, LEAST))


def _matrix(kernel: PairKernel, left: Members, right: Members) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(kernel(left, right).numpy())
