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
    wanted = (share * expressed.sum(dim=1, keepdim=True)).round().clamp_min(1.0).long()
    ranked = torch.where(expressed, scores, -1.0)
    best = ranked.topk(min(int(wanted.max()), genes), dim=1).values
    threshold = best.gather(1, wanted - 1)
    held = expressed & (ranked >= threshold)
    empty = ~expressed.any(dim=1, keepdim=True)  # a cell without counts still hides a gene
    held = held | (empty & (scores >= scores.amax(dim=1, keepdim=True)))
    return held | _unexpressed(expressed, held, scores >= threshold, plan, generator)


def _unexpressed(
    expressed: Bool[Tensor, "B G"],
    held: Bool[Tensor, "B G"],
    high: Bool[Tensor, "B G"],
    plan: MaskPlan,
    generator: Generator,
) -> Bool[Tensor, "B G"]:
    """Draw unexpressed genes of `high` score, so few that enough held-out genes are expressed.

    Genes are drawn with replacement: repeats and expressed genes only make them fewer.
    """
    rows, genes = expressed.shape
    least = max(plan.expressed_share, 1e-6)
    allowed = (held.sum(dim=1, keepdim=True) * (1.0 - least) / least).floor()
    most = min(int(allowed.max()), 4 * genes)
    if most == 0:
        return torch.zeros_like(expressed)
    drawn = torch.randint(genes, (rows, most), generator=generator, device=expressed.device)
    kept = torch.arange(most, device=expressed.device) < allowed
    chosen = torch.zeros((rows, genes), device=expressed.device)
    chosen.scatter_add_(1, drawn, kept.float())
    return (chosen > 0) & ~expressed & high
