"""Variance–invariance–covariance regularisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu

from gpjepa.objectives.across import WHOLE, Across

VARIANCE_WEIGHT = 25.0
INVARIANCE_WEIGHT = 25.0
COVARIANCE_WEIGHT = 1.0
EPSILON = 1e-4  # added to variances


@dataclass(frozen=True)
class VICReg:
    """The three terms of Bardes et al. 2022, each a scalar, lower is better."""

    invariance: Float[Tensor, ""]
    variance: Float[Tensor, ""]
    covariance: Float[Tensor, ""]

    def total(self) -> Float[Tensor, ""]:
        """Return 25·invariance + 25·variance + 1·covariance."""
        return (
            INVARIANCE_WEIGHT * self.invariance
            + VARIANCE_WEIGHT * self.variance
            + COVARIANCE_WEIGHT * self.covariance
        )

    def anti_collapse(self) -> Float[Tensor, ""]:
        """Return the variance and covariance terms in units of the invariance term."""
        spread = VARIANCE_WEIGHT * self.variance + COVARIANCE_WEIGHT * self.covariance
        return spread / INVARIANCE_WEIGHT


def variance_term(z: Float[Tensor, "B D"], gamma: float = 1.0, eps: float = EPSILON) -> Tensor:
    """Return the mean over dimensions of max(0, γ − √(Var z + ε))."""
    return relu(gamma - torch.sqrt(z.var(dim=0) + eps)).mean()


def covariance_term(z: Float[Tensor, "B D"]) -> Tensor:
    """Return Σ_{i≠j} C(z)²_ij / D with the unbiased covariance C."""
    rows, width = z.shape
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (rows - 1)
    off = covariance.square().sum() - covariance.diagonal().square().sum()
    return off / width


def vicreg(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], across: Across = WHOLE) -> VICReg:
    """Return the VICReg terms of two views, computed in float32, over the rows of all processes.

    Source: Bardes et al. 2022, equations 1 to 6; variance and covariance are averaged over views.
    """
    a, b = a.float(), b.float()
    if not across.alone:
        return _vicreg_of_moments(a, b, across)
    variance = 0.5 * (variance_term(a) + variance_term(b))
    covariance = 0.5 * (covariance_term(a) + covariance_term(b))
    return VICReg((a - b).square().mean(), variance, covariance)


def _vicreg_of_moments(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], across: Across, gamma: float = 1.0
) -> VICReg:
    """Return the same from covariances over all processes."""
    covariance = across.covariance(torch.stack((a, b)))
    spread = covariance.diagonal(dim1=1, dim2=2)
    variance = relu(gamma - torch.sqrt(spread + EPSILON)).mean()
    off = covariance.square().sum() - spread.square().sum()
    near = across.part((a - b).square().mean())
    return VICReg(near, variance, 0.5 * off / a.shape[1])
