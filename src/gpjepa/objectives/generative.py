"""Count likelihood, KL and the pseudobulk term."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

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
    perturbed: Float[Tensor, "P G"],
    control: Float[Tensor, "P G"],
    observed: Float[Tensor, "P G"],
    error: Float[Tensor, "P G"],
    target: float,
) -> Float[Tensor, " P"]:
    """Return ½ Σ_g ((ê − e)/se)², nats per perturbation of a Gaussian pseudobulk likelihood.

    ê is log1p(`target` · share) of perturbed less that of control cells, given shares of the
    library; `observed` is such an effect and `error` its standard error, which sets how much each
    gene and perturbation counts. Differentiable once, in the shares.
    """
    nats: Tensor = _Population.apply(perturbed, control, observed, error, target)
    return nats


class _Population(torch.autograd.Function):
    """The pseudobulk term, whose gradient is made with it: a dozen passes over P × G in all."""

    @staticmethod
    def forward(
        ctx: Any, perturbed: Tensor, control: Tensor, observed: Tensor, error: Tensor, target: float
    ) -> Tensor:
        """Return the nats of each perturbation."""
        high, low = perturbed * target, control * target
        gap = (torch.log1p(high).sub_(torch.log1p(low)).sub_(observed)).div_(error)
        slope = (gap / error).mul_(target)
        ctx.save_for_backward(slope / high.add_(1.0), slope / low.add_(1.0))
        return 0.5 * gap.mul_(gap).sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients in the shares."""
        up, down = ctx.saved_tensors
        return up * grad.unsqueeze(1), down * -grad.unsqueeze(1), None, None, None
