"""What training asks of decoded counts: NB likelihoods and mean shares of groups of cells.

One product with the decoder's weights serves all latents of a step, and the gradient in the logits
is made with the likelihood, so that the genes of a cell are gone over once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.model.kernels import blocks, lent, side_by_side
from gpjepa.model.sparse_counts import SparseCounts

TABLE = 16  # counts below it have their log Γ tabulated


@dataclass(frozen=True)
class Asked:
    """What is asked of N latents, in rows.

    The first `parts` · B are for the counts of B cells, `parts` times over, with `library` [B].
    The last S are pooled: `weight` [S] of each in its `group` [S], of `groups` in all.
    """

    counts: SparseCounts
    library: Float[Tensor, " B"]
    parts: int
    weight: Float[Tensor, " S"]
    group: Int[Tensor, " S"]
    groups: int


def count_terms(
    latent: Float[Tensor, "N D"],
    weight: Float[Tensor, "C D"],
    bias: Float[Tensor, " C"],
    log_dispersion: Float[Tensor, " G"],
    asked: Asked,
) -> tuple[Float[Tensor, " K"], Float[Tensor, "P G"]]:
    """Return the mean log-likelihood of each part, nats per cell, and the pooled shares.

    Compiled; single precision on the CPU. `CountDecoder.terms` has the same in plain torch.
    """
    means, pooled = _CountTerms.apply(latent, weight, bias, log_dispersion, asked)
    return means, pooled


def scaled_shares(
    latent: Float[Tensor, "B D"],
    weight: Float[Tensor, "C D"],
    bias: Float[Tensor, " C"],
    library: Float[Tensor, " B"],
    genes: int,
) -> Float[Tensor, "B G"]:
    """Return the softmax over classes times the library, for the first `genes` of them.

    Compiled, without gradients.
    """
    from gpjepa.model.kernels import count_rows

    logits = latent @ weight.t()
    out = logits if genes == logits.shape[1] else torch.empty((len(latent), genes))
    edges = blocks(len(latent))
    read = (logits.numpy(), lent(bias), library.numpy())
    side_by_side(lambda i: count_rows.scaled(*read, *edges[i], out.numpy()), len(edges))
    return out


class _CountTerms(torch.autograd.Function):
    """Forward makes the gradient in the logits too, up to one factor for each part."""

    @staticmethod
    def forward(
        ctx: Any, latent: Tensor, weight: Tensor, bias: Tensor, log_theta: Tensor, asked: Asked
    ) -> tuple[Tensor, Tensor]:
        """Return the means and the pooled shares."""
        logits = latent @ weight.t()
        theta = log_theta.exp()
        slope, by_gene, total = _likelihoods(logits, bias, theta, asked)
        share = logits
        pooled = _pooled(share, asked, theta.shape[0])
        ctx.save_for_backward(latent, weight, theta, share, slope, by_gene)
        ctx.asked, ctx.spent = asked, False
        return total.view(asked.parts, -1).mean(dim=1), pooled

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients in latents, weights, biases and log dispersions."""
        latent, weight, theta, share, slope, by_gene = ctx.saved_tensors
        cells = ctx.asked.counts.shape[0]
        scale = grads[0] / cells
        if ctx.spent:
            raise RuntimeError(
                "count_terms can be differentiated once: its shares are written over"
            )
        ctx.spent = True
        by_theta = theta * (scale @ by_gene)
        factor, start = latent.new_ones(len(latent)), len(latent) - len(ctx.asked.group)
        each = scale.repeat_interleave(cells)
        factor[:start] = each[:start]
        down = _logit_gradient(share, slope, each[start:], grads[1], ctx.asked)
        # MKL is three times as fast with the long side last
        by_weight = ((factor.unsqueeze(1) * latent).t() @ down).t().contiguous()
        by_latent = (down @ weight).mul_(factor.unsqueeze(1))
        return by_latent, by_weight, factor @ down, by_theta, None


def _likelihoods(
    logits: Tensor, bias: Tensor, theta: Tensor, asked: Asked
) -> tuple[Tensor, Tensor, Tensor]:
    """Return gradients in logits that are pooled too and, of each part, in θ; log-likelihoods.

    The logits, to which `bias` is added, are written over with the shares, or with the gradient
    where they are not pooled.
    """
    from gpjepa.model.kernels import count_rows

    counts = asked.counts
    (rows, _), cells, parts = logits.shape, counts.shape[0], asked.parts
    measured, start = parts * cells, rows - len(asked.group)
    slope = torch.empty((max(0, measured - start), logits.shape[1]))
    total = torch.empty(measured)
    edges = blocks(*[cells] * parts, rows - measured)
    each = len(blocks(cells))
    by_gene = torch.zeros((parts * each, theta.shape[0]))
    gain, rise = (torch.empty((TABLE, theta.shape[0])).numpy() for _ in range(2))
    count_rows.tabulate(theta.numpy(), _log_factorials(), gain, rise)
    inverse = theta.reciprocal()
    genes = (asked.library.numpy(), theta.numpy(), inverse.numpy(), gain, rise)
    csr = (counts.starts.numpy(), counts.gene.numpy(), counts.value.numpy(), cells)
    own, added, sums = logits.numpy(), lent(bias), by_gene.numpy()
    down, values = slope.numpy(), total.numpy()

    def work(block: int) -> None:
        first, last = edges[block]
        count_rows.shares(own, added, first, last)
        if first < measured:
            write = (values, down, start, sums[block])
            count_rows.likelihood(own, *genes, *csr, first, last, *write)

    side_by_side(work, len(edges))
    return slope, by_gene.view(parts, each, -1).sum(dim=1), total


def _pooled(share: Tensor, asked: Asked, genes: int) -> Tensor:
    """Return the weighted sums of shares of each group, [groups, G]."""
    from gpjepa.model.kernels import count_rows

    out = torch.zeros((asked.groups, genes))
    start = share.shape[0] - len(asked.group)
    read = (share.numpy(), asked.weight.numpy(), asked.group.numpy(), start, genes)
    side_by_side(lambda g: count_rows.pool(*read, g, g + 1, out.numpy()), asked.groups)
    return out


def _logit_gradient(
    share: Tensor, slope: Tensor, scale: Tensor, pooled: Tensor, asked: Asked
) -> Tensor:
    """Return the gradient in all logits [N, C], in the memory of the shares.

    In rows that are not pooled it is there, up to its factor; `scale` is that of others.
    """
    from gpjepa.model.kernels import count_rows

    size = len(asked.group)
    edges = blocks(size)
    read = (share[share.shape[0] - size :].numpy(), slope.numpy(), scale.numpy())
    given = (pooled.contiguous().numpy(), asked.weight.numpy(), asked.group.numpy())
    side_by_side(
        lambda block: count_rows.backward(*read, *given, *edges[block], read[0]), len(edges)
    )
    return share


@cache
def _log_factorials() -> np.ndarray:
    return torch.lgamma(torch.arange(1, TABLE + 1, dtype=torch.float64)).float().numpy()
