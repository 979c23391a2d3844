"""Which genes of a cell are held out in Stage A."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor


@dataclass(frozen=True, kw_only=True)
class MaskPlan:
    """How masks are drawn: shares in [0, 1]."""

    low: float
    high: float
    expressed_share: float
    block_share: float


def _ranks(scores: Float[Tensor, "B G"]) -> Int[Tensor, "B G"]:
    """Return the position of each score in its row's descending order."""
    order = scores.argsort(dim=1, descending=True)
    ranks = torch.empty_like(order)
    positions = torch.arange(scores.shape[1], device=scores.device).expand_as(order)
    return ranks.scatter_(1, order, positions)


def draw_held_out(
    counts: Float[Tensor, "B G"],
    blocks: Int[Tensor, " G"],
    plan: MaskPlan,
    generator: Generator,
) -> Bool[Tensor, "B G"]:
    """Return the genes held out of each cell; the others are its context.

    A share between `plan.low` and `plan.high` of a cell's expressed genes is held out, and
    unexpressed genes with them, so many that at least `plan.expressed_share` of the held-out
    genes are expressed. In a share `plan.block_share` of the cells, genes of one co-expression
    block go together.
    """
    rows, genes = counts.shape
    device = counts.device
    expressed = counts > 0
    noise = torch.rand((rows, genes), generator=generator, device=device)
    count = int(blocks.max()) + 1
    block_scores = torch.rand((rows, count), generator=generator, device=device)
    by_block = torch.rand((rows, 1), generator=generator, device=device) < plan.block_share
    scores = torch.where(by_block, block_scores[:, blocks] + 1e-3 * noise, noise)
    span = torch.rand((rows, 1), generator=generator, device=device)
    share = plan.low + (plan.high - plan.low) * span
    total = expressed.sum(dim=1, keepdim=True)
    wanted = torch.clamp((share * total).round(), min=1.0)
    # Scores lie in [0, 1.001): adding 2 puts the expressed genes of a cell first.
    held = expressed & (_ranks(scores + 2.0 * expressed) < wanted)
    least = max(plan.expressed_share, 1e-6)
    others = (share * (genes - total)).round()
    allowed = torch.minimum(others, (wanted * (1.0 - least) / least).floor())
    return held | (~expressed & (_ranks(scores + 2.0 * ~expressed) < allowed))
