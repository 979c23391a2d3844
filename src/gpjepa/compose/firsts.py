"""Effects of genes that were never measured alone, from what is known of them beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gpjepa.compose.kernel_fit import left_out_errors

STEPS, RATE = 80, 0.1
JITTER = 1e-8
FEWEST = 4  # singles from which relations between genes are learned; below it the mean is all


@dataclass(frozen=True, eq=False)
class Relations:
    """A Gaussian process over genes: a shared mean and a part that related genes share.

    The kernel is mean + inner + near · exp((inner product − 1) / width), for rows of length 1.
    """

    priors: np.ndarray  # [S, F]
    weights: np.ndarray  # [S, G]
    precision: np.ndarray  # [S, S]
    parts: np.ndarray  # mean, inner, near, width
    errors: np.ndarray  # [S, G], of each single predicted from the others
    spread: np.ndarray  # [S], posterior standard deviation of those, noise (1) included

    def predict(self, priors: np.ndarray) -> np.ndarray:
        """Return effects [N, G] of genes with these priors [N, F]."""
        return np.asarray(self._cross(priors) @ self.weights)

    def doubt(self, priors: np.ndarray) -> np.ndarray:
        """Return the standard deviation [N] of each prediction, in the unit of `spread`."""
        cross = self._cross(priors)
        mean, inner, near, _ = self.parts
        own = mean + inner + near
        left = own - np.einsum("ns,st,nt->n", cross, self.precision, cross)
        return np.asarray(np.sqrt(np.maximum(left, 0.0) + 1.0))

    def _cross(self, priors: np.ndarray) -> np.ndarray:
        mean, inner, near, width = self.parts
        product = priors @ self.priors.T
        known = ((priors * priors).sum(axis=1) > 0)[:, None]
        related = np.where(known, near * np.exp((product - 1) / width), 0.0)
        return np.asarray(mean + inner * product + related)


def fit_relations(effects: np.ndarray, priors: np.ndarray) -> Relations:
    """Fit the process to measured singles [S, G] by their leave-one-out error. Deterministic."""
    values = torch.from_numpy(effects)
    scale = torch.linalg.vector_norm(values - values.mean(dim=0), dim=1).clamp_min(1e-12)
    product = torch.from_numpy(priors @ priors.T)
    # Without relations (few singles, nothing known) only the mean and its shrinkage are left.
    related = len(effects) >= FEWEST and bool((priors != 0).any())
    log = torch.tensor([0.0, -1.0, -1.0, 0.0], dtype=values.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([log], lr=RATE)
    eye = torch.eye(len(values), dtype=values.dtype)
    for _ in range(STEPS if len(values) > 1 else 0):
        optimiser.zero_grad()
        covariance = _kernel(log, product, related) + (1 + JITTER) * eye
        errors = left_out_errors(covariance, values)
        loss = (torch.linalg.vector_norm(errors, dim=1) / scale).mean()
        (loss + 1e-3 * (log**2).sum()).backward()
        optimiser.step()
    with torch.no_grad():
        covariance = _kernel(log, product, related) + (1 + JITTER) * eye
        precision = torch.linalg.inv(covariance)
        errors = (precision @ values) / torch.diagonal(precision)[:, None]
        spread = 1 / torch.sqrt(torch.diagonal(precision))
        parts = torch.exp(log) * torch.tensor([1.0, float(related), float(related), 1.0])
        return Relations(
            priors,
            (precision @ values).numpy(),
            precision.numpy(),
            parts.numpy(),
            errors.numpy(),
            spread.numpy(),
        )


def _kernel(log: Tensor, product: Tensor, related: bool) -> Tensor:
    """Return the kernel between the measured singles, in units of the noise variance."""
    mean, inner, near, width = torch.exp(log)
    if not related:
        return mean * torch.ones_like(product)
    return mean + inner * product + near * torch.exp((product - 1) / width)
