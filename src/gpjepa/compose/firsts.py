"""Effects of genes that were never measured alone, from what is known of them beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gpjepa.compose.kernel_fit import left_out_errors
from gpjepa.compose.priors import Views
from gpjepa.evaluation.effect import centroid_accuracy

STEPS, RATE = 60, 0.1
PULL = 0.01  # towards the shares of experience, of the squared logarithm, in relative error
SIGNAL, MEAN = 5.0, 0.1  # variance that relations and the mean explain, of the noise's, beforehand
FEWEST = 4  # singles from which relations between genes are learned; below it the mean is all
LEARN = 400  # singles that decide how much each view counts
IDENTITY = 1.5  # what telling perturbations apart is worth, where 1 is the error of the mean
EXPANSIONS = tuple(1 + 0.1 * step for step in range(21))


@dataclass(frozen=True, eq=False)
class Relations:
    """A Gaussian process over genes: a shared mean and what related genes share.

    The covariance is mean + Σ weight of a view · similarity in that view, in units of the noise
    variance. What relations add to the mean is multiplied by `expansion`: a posterior mean is
    the closest guess but moves too little to tell perturbations apart.

    Source: Rasmussen and Williams 2006, chapters 2 and 5; on expanding posterior means Louis 1984,
    J. Am. Stat. Assoc. 79:393.
    """

    parts: np.ndarray  # [1 + K]: the mean, then each view
    weights: np.ndarray  # [S, G]
    precision: np.ndarray  # [S, S]
    expansion: float
    errors: np.ndarray  # [S, G], of each single predicted from the others
    spread: np.ndarray  # [S], posterior standard deviation of those, noise (1) included

    def predict(self, views: Views) -> np.ndarray:
        """Return effects [N, G] of the genes of the views."""
        shared = self.parts[0] * self.weights.sum(axis=0)
        return np.asarray(shared + self.expansion * (self._related(views) @ self.weights))

    def doubt(self, views: Views) -> np.ndarray:
        """Return the standard deviation [N] of each prediction, in the unit of `spread`."""
        cross = self.parts[0] + self._related(views)
        own = self.parts[0] + self.parts[1:] @ views.own
        left = own - np.einsum("ns,st,nt->n", cross, self.precision, cross)
        return np.asarray(np.sqrt(np.maximum(left, 0.0) + 1.0))

    def novelty(self, views: Views) -> np.ndarray:
        """Return how far each gene lies from the measured ones [N]: 1 with no relation to any.

        The share of what views could explain that the measured genes leave open.
        """
        cross, total = self._related(views), self.parts[1:].sum()
        if not total > 0:
            return np.ones(len(cross))
        reach = self.precision.sum(axis=0)
        rest = 1 - self.parts[0] * reach.sum()  # the mean is taken out of the covariance
        explained = np.einsum("ns,st,nt->n", cross, self.precision, cross)
        explained += self.parts[0] * (cross @ reach) ** 2 / rest
        return np.asarray(np.clip(1 - explained / total, 0.0, 1.0))

    def closest(self) -> Relations:
        """Return the posterior mean itself, not expanded: closest in distance, right in size."""
        errors = self.weights / np.diagonal(self.precision)[:, None]
        return replace(self, expansion=1.0, errors=errors)

    def _related(self, views: Views) -> np.ndarray:
        return np.asarray(np.tensordot(self.parts[1:], views.alike, axes=1))


def fit_relations(effects: np.ndarray, views: Views) -> Relations:
    """Fit the process to measured singles [S, G], from their views of each other. Deterministic.

    The weights of the views start from experience and are learned by leave-one-out error, on at
    most `LEARN` singles; time grows with S³.
    """
    count = len(effects)
    related = count >= FEWEST and bool(views.alike.any())
    shares = views.shares if related else np.zeros(len(views.shares))
    start = np.concatenate(([MEAN], SIGNAL * shares / max(shares.sum(), 1e-12)))
    chosen = np.unique(np.linspace(0, count - 1, min(count, LEARN)).astype(np.int64))
    parts = start
    if count > 1:
        parts = _learned(start, effects[chosen], views.first(chosen).alike)
    covariance = parts[0] + np.tensordot(parts[1:], views.alike, axes=1) + np.eye(count)
    precision = np.linalg.inv(covariance)
    weights, diagonal = precision @ effects, np.diagonal(precision)[:, None]
    errors = weights / diagonal
    # The mean that each single would be given if it had no relations, learned without it.
    others = parts[0] * (weights.sum(axis=0) - precision.sum(axis=0)[:, None] * errors)
    moved = effects - errors - others
    expansion = _expansion(effects, others, moved) if related else 1.0
    errors = effects - others - expansion * moved
    return Relations(parts, weights, precision, expansion, errors, 1 / np.sqrt(diagonal[:, 0]))


def _learned(start: np.ndarray, effects: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """Return the variances that predict each single best from the others, near the `start`."""
    values, stack = torch.from_numpy(effects), torch.from_numpy(alike)
    scale = torch.linalg.vector_norm(values - values.mean(dim=0), dim=1).clamp_min(1e-12)
    origin = torch.from_numpy(start)
    log = torch.zeros_like(origin, requires_grad=True)
    optimiser = torch.optim.Adam([log], lr=RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        errors = left_out_errors(_covariance(origin * torch.exp(log), stack), values)
        loss = (torch.linalg.vector_norm(errors, dim=1) / scale).mean() + PULL * (log**2).sum()
        loss.backward()
        optimiser.step()
    return np.asarray((origin * torch.exp(log)).detach().numpy())


def _covariance(parts: Tensor, alike: Tensor) -> Tensor:
    eye = torch.eye(alike.shape[1], dtype=alike.dtype)
    return parts[0] + torch.tensordot(parts[1:], alike, dims=1) + eye


def _expansion(effects: np.ndarray, others: np.ndarray, moved: np.ndarray) -> float:
    """Return the factor on what relations add that serves distance and identity best.

    The best sum of two skills on singles left out, both 0 for the mean alone and at most 1: the
    share of its error that is saved, and `IDENTITY` times how much more often than by chance
    another perturbation lies farther off than the own.
    """
    mean = (effects.sum(axis=0) - effects) / (len(effects) - 1)
    scale = np.maximum(np.linalg.norm(effects - mean, axis=1), 1e-12)
    centre = others.mean(axis=0)
    skills = []
    for factor in EXPANSIONS:
        error = np.linalg.norm(effects - others - factor * moved, axis=1) / scale
        rank = centroid_accuracy(centre + factor * moved, effects)
        skills.append(1 - error.mean() + IDENTITY * (2 * rank.mean() - 1))
    return EXPANSIONS[int(np.argmax(skills))]
