"""Count likelihood, KL and the pseudobulk term."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.model.distributions import CountDistribution
from gpjepa.objectives.across import WHOLE, Across


def negative_log_likelihood(
    counts: Float[Tensor, "B G"], distribution: CountDistribution
) -> Float[Tensor, ""]:
    """Return −log p(counts) in nats per cell: summed over genes, averaged over cells."""
    return -distribution.log_likelihood(counts).mean()


def kl_term(
    kl: Float[Tensor, "B D"], free_bits: float, across: Across = WHOLE
) -> Float[Tensor, ""]:
    """Return the KL in nats per cell: summed over dimensions, averaged over cells.

    A dimension whose average is below `free_bits` nats is not pressed further down. Cells are
    those of all processes.
    Source: Kingma et al. 2016, section C.8.
    """
    return across.mean(kl).clamp_min(free_bits).sum()


def group_weights(
    weight: Float[Tensor, " B"], group: Int[Tensor, " B"], groups: int
) -> Float[Tensor, " B"]:
    """Return each row's share of the weight of its group: sums with them are weighted means."""
    mass = weight.new_zeros(groups).index_add(0, group, weight)
    return weight / mass.clamp_min(1e-12)[group]


def population_term(
    predicted: Float[Tensor, "P G"],
    observed: Float[Tensor, "P G"],
    error: Float[Tensor, "P G"],
) -> Float[Tensor, " P"]:
    """Return ½ Σ_g ((ê − e)/se)², nats per perturbation of a Gaussian pseudobulk likelihood.

    Effects are differences of log1p pseudobulks; `error` is their standard error, which sets how
    much each gene and perturbation counts.
    """
    return 0.5 * ((predicted - observed) / error).square().sum(dim=1)


def log_pseudobulk(shares: Float[Tensor, "P G"], target: float) -> Float[Tensor, "P G"]:
    """Return log1p(target · share) for shares of the library."""
    return torch.log1p(target * shares)
