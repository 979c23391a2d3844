"""Which genes of a cell are held out in Stage A."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gpjepa.model.draws import Source, integers, largest, uniform
from gpjepa.model.kernels import available, blocks, side_by_side
from gpjepa.model.sparse_counts import SparseCounts


@dataclass(frozen=True, kw_only=True)
class MaskPlan:
    """How masks are drawn: shares in [0, 1]."""

    low: float
    high: float
    expressed_share: float
    block_share: float


@dataclass(frozen=True)
class HeldOut:
    """Held-out genes: which counts above zero, and which genes without a count.

    `expressed` [N] marks those of `SparseCounts`; `cell` and `gene` [M] are the others, cell by
    cell.
    """

    expressed: Bool[Tensor, " N"]
    cell: Int[Tensor, " M"]
    gene: Int[Tensor, " M"]

    @staticmethod
    def of(counts: SparseCounts, held: Bool[Tensor, "B G"]) -> HeldOut:
        """Return a mask over all genes in this form."""
        expressed = held.flatten()[counts.place()]
        silent = held.flatten().index_fill(0, counts.place(), False).view(held.shape)
        return HeldOut(expressed, *torch.nonzero(silent, as_tuple=True))

    def starts(self, cells: int) -> Int[Tensor, " B1"]:
        """Return where the genes of each cell begin in `gene`."""
        ends = torch.bincount(self.cell, minlength=cells).cumsum(0)
        return torch.cat((ends.new_zeros(1), ends))

    def number(self, cell: Int[Tensor, " N"], cells: int) -> Float[Tensor, " B"]:
        """Return how many genes each cell hides, given the `cell` of each count."""
        zero = torch.zeros(cells, device=cell.device)
        seen = zero.index_add(0, cell, self.expressed.float())
        return seen.index_add(0, self.cell, seen.new_ones(len(self.cell)))


@dataclass(frozen=True)
class _Scores:
    """What sets the order in which the genes of a cell are held out, the highest first."""

    noise: Float[Tensor, "B G"]
    by_block: Bool[Tensor, "B 1"]
    of_block: Float[Tensor, "B K"]

    @staticmethod
    def draw(
        shape: tuple[int, int], blocks: Int[Tensor, " G"], plan: MaskPlan, generator: Source
    ) -> _Scores:
        rows, device = shape[0], blocks.device
        count = int(blocks.max()) + 1
        noise = uniform(shape, generator, device)
        of_block = uniform((rows, count), generator, device)
        share = uniform((rows, 1), generator, device)
        return _Scores(noise, share < plan.block_share, of_block)

    def of(self, blocks: Int[Tensor, " G"]) -> Float[Tensor, "B G"]:
        """Return the score of every gene."""
        together = self.of_block[:, blocks] + 1e-3 * self.noise
        return torch.where(self.by_block, together, self.noise)


def hold_out(
    counts: SparseCounts, blocks: Int[Tensor, " G"], plan: MaskPlan, generator: Source
) -> HeldOut:
    """Return what `draw_held_out` holds out, found by looking at expressed genes only."""
    empty = bool((counts.starts.diff() == 0).any())
    if empty or not available(counts.value):
        return HeldOut.of(counts, draw_held_out(counts.dense(), blocks, plan, generator))
    scores = _Scores.draw(counts.shape, blocks, plan, generator)
    expressed = counts.starts.diff().unsqueeze(1)
    wanted = _wanted(expressed, plan, generator)
    return _held_by_rows(counts, blocks, scores, wanted, plan, generator)


def draw_held_out(
    counts: Float[Tensor, "B G"],
    blocks: Int[Tensor, " G"],
    plan: MaskPlan,
    generator: Source,
) -> Bool[Tensor, "B G"]:
    """Return the genes held out of each cell; the others are its context.

    A share between `plan.low` and `plan.high` of a cell's expressed genes is held out, and
    unexpressed genes with them, so many that at least `plan.expressed_share` of the held-out
    genes are expressed. In a share `plan.block_share` of the cells, genes of one co-expression
    block go together.
    """
    genes = counts.shape[1]
    expressed = counts > 0
    scores = _Scores.draw((counts.shape[0], genes), blocks, plan, generator).of(blocks)
    wanted = _wanted(expressed.sum(dim=1, keepdim=True), plan, generator)
    ranked = torch.where(expressed, scores, -1.0)
    best = ranked.topk(min(int(wanted.max()), genes), dim=1).values
    threshold = best.gather(1, wanted - 1)
    held = expressed & (ranked >= threshold)
    empty = ~expressed.any(dim=1, keepdim=True)  # a cell without counts still hides a gene
    held = held | (empty & (scores >= scores.amax(dim=1, keepdim=True)))
    return held | _unexpressed(expressed, held, scores >= threshold, plan, generator)


def _wanted(expressed: Int[Tensor, "B 1"], plan: MaskPlan, generator: Source) -> Int[Tensor, "B 1"]:
    """Draw how many of the `expressed` genes of each cell are held out."""
    span = uniform((len(expressed), 1), generator, expressed.device)
    share = plan.low + (plan.high - plan.low) * span
    return (share * expressed).round().clamp_min(1.0).long()


def _allowed(held: Int[Tensor, "*B"], plan: MaskPlan) -> Int[Tensor, "*B"]:
    """Return how many unexpressed genes may join the `held` expressed ones of each cell."""
    least = max(plan.expressed_share, 1e-6)
    return (held * (1.0 - least) / least).floor().long()


def _held_by_rows(
    counts: SparseCounts,
    blocks_of: Int[Tensor, " G"],
    scores: _Scores,
    wanted: Int[Tensor, "B 1"],
    plan: MaskPlan,
    generator: Source,
) -> HeldOut:
    """Hold out genes cell by cell, compiled."""
    from gpjepa.model.kernels import mask_rows

    rows, genes = counts.shape
    held = torch.empty(len(counts.gene), dtype=torch.bool)
    threshold, sums = torch.empty(rows), torch.empty(rows, dtype=torch.long)
    order = (scores.noise, scores.of_block, scores.by_block.squeeze(1), blocks_of)
    read = tuple(t.numpy() for t in (counts.starts, counts.gene, *order))
    edges, number = blocks(rows), wanted.squeeze(1).numpy()
    write = tuple(t.numpy() for t in (held, threshold, sums))
    side_by_side(lambda i: mask_rows.hold_out(*read, number, *edges[i], *write), len(edges))
    allowed = _allowed(sums, plan)
    most = min(largest(int(allowed.max()), generator), 4 * genes)
    drawn = integers(genes, (rows, most), generator, allowed.device)
    cell, gene = torch.empty(drawn.numel(), dtype=torch.long), torch.empty_like(drawn).flatten()
    given = tuple(t.numpy() for t in (threshold, drawn, allowed, cell, gene))
    found = mask_rows.hold_out_silent(*read, *given)
    return HeldOut(held, cell[:found], gene[:found])


def _unexpressed(
    expressed: Bool[Tensor, "B G"],
    held: Bool[Tensor, "B G"],
    high: Bool[Tensor, "B G"],
    plan: MaskPlan,
    generator: Source,
) -> Bool[Tensor, "B G"]:
    """Draw unexpressed genes of `high` score, so few that enough held-out genes are expressed.

    Genes are drawn with replacement: repeats and expressed genes only make them fewer.
    """
    rows, genes = expressed.shape
    allowed = _allowed(held.sum(dim=1, keepdim=True), plan)
    most = min(largest(int(allowed.max()), generator), 4 * genes)
    if most == 0:
        return torch.zeros_like(expressed)
    drawn = integers(genes, (rows, most), generator, expressed.device)
    kept = torch.arange(most, device=expressed.device) < allowed
    chosen = torch.zeros((rows, genes), device=expressed.device)
    chosen.scatter_add_(1, drawn, kept.float())
    return (chosen > 0) & ~expressed & high
