"""The cell encoder f_θ: raw counts of the visible genes to one latent vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from gpjepa.model.gene_layer import GeneLinear
from gpjepa.model.genes import GeneScaling
from gpjepa.model.kernels import available, blocks, side_by_side
from gpjepa.model.masking import HeldOut
from gpjepa.model.sparse_counts import Counts, SparseCounts, scattered
from gpjepa.model.sparse_product import centred_product, product


class ResidualBlock(nn.Module):
    """x + W₂·GELU(W₁·LN(x))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )

    def forward(self, x: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """Add the block's output to its input."""
        return x + self.body(x)


class CellEncoder(nn.Module):
    """Encode cells from any subset of their genes.

    Hidden genes count as average ones, and the visible sum is divided by the root of the visible
    share, so that views of different sizes are of the same magnitude.
    """

    def __init__(self, scaling: GeneScaling, latent: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.scaling = scaling
        genes = scaling.mean.shape[0]
        self.latent = latent
        self.embed = GeneLinear(genes, hidden)
        self.blocks = nn.Sequential(*[ResidualBlock(hidden) for _ in range(layers)])
        self.out = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, latent))

    def forward(
        self,
        counts: Counts,
        library: Float[Tensor, " B"],
        visible: Bool[Tensor, "B G"] | None = None,
    ) -> Float[Tensor, "B D"]:
        """Return one latent per cell; `visible` marks the genes that may be looked at."""
        if visible is None and isinstance(counts, SparseCounts):
            return self.of_scaled(self.scaling.expression(counts, library))
        scaled = self.scaling.uncentred(counts, library)
        if visible is None:
            return self.of_scaled(scaled)
        share = visible.float().mean(dim=1, keepdim=True).clamp_min(1e-3)
        expression = (scaled - self.scaling.centre()) * visible / share.sqrt()
        return self.out(self.blocks(self.embed(expression)))

    def of_scaled(
        self, scaled: Counts, centred: Float[Tensor, "B 1"] | float = 1.0
    ) -> Float[Tensor, "B D"]:
        """Encode scaled expression less `centred` times the genes' means, see `GeneScaling`.

        The means are taken off after the product with the weights, where they are one row.
        """
        embedded = centred_product(scaled, self.embed.weight, self.scaling.centre(), centred)
        return self.out(self.blocks(embedded + self.embed.bias))

    def of_views(self, views: Views, side: Literal["context", "target"]) -> Float[Tensor, "B D"]:
        """Encode the visible genes of cells, or the held-out ones."""
        if side == "target":
            return self.of_scaled(views.target, 0.0)
        return self.of_scaled(views.context, views.centred)


@dataclass(frozen=True)
class Views:
    """Both sides of a mask as the encoder reads them, made without a pass over all genes.

    `context` and `target` [B, G] are scaled expression, divided by the root of the share of genes
    on that side; from `context` are still to be taken `centred` [B, 1] times the means. `asked`
    [B, G] marks the held-out genes, divided by the root of their number. Compiled loops leave the
    zeros out; the genes of a cell are in no order then.
    """

    context: Counts
    centred: Float[Tensor, "B 1"]
    target: Counts
    asked: Counts

    @staticmethod
    def of(
        scaling: GeneScaling, counts: SparseCounts, library: Float[Tensor, " B"], held: HeldOut
    ) -> Views:
        """Return the views of cells under a mask."""
        value, centre = scaling.of_positive(counts, library), scaling.centre()
        if available(value, centre):
            return Views._by_rows(counts, value, centre, held)
        shape, cell, place = counts.shape, counts.cell(), counts.place()
        silent = held.cell * shape[1] + held.gene
        number = held.number(cell, shape[0])
        share = number / shape[1]
        out = share.clamp_min(1e-3).rsqrt()
        inside = (1.0 - share).clamp_min(1e-3).rsqrt()
        mean, quiet = centre[counts.gene], centre[held.gene]
        both = torch.cat((place, silent))
        context = torch.where(held.expressed, mean, value) * inside[cell]
        target = torch.where(held.expressed, value - mean, 0.0) * out[cell]
        per_gene = number.clamp_min(1.0).rsqrt()
        asked = torch.where(held.expressed, per_gene[cell], 0.0)
        return Views(
            scattered(shape, both, torch.cat((context, quiet * inside[held.cell]))),
            inside.unsqueeze(1),
            scattered(shape, both, torch.cat((target, -quiet * out[held.cell]))),
            scattered(shape, both, torch.cat((asked, per_gene[held.cell]))),
        )

    @staticmethod
    def _by_rows(counts: SparseCounts, value: Tensor, centre: Tensor, held: HeldOut) -> Views:
        """Make them cell by cell, compiled, without their zeros."""
        from gpjepa.model.kernels import dense_rows

        (cells, genes), silent = counts.shape, held.starts(counts.shape[0])
        sums = torch.cat((silent.new_zeros(1), held.expressed.cumsum(0)))
        stops, edges = sums[counts.starts] + silent, blocks(cells)
        inside, most, few = torch.empty(cells), len(value) + len(held.gene), int(stops[-1])
        seen, hidden = (torch.empty(size, dtype=torch.int32) for size in (most, few))
        shown, kept, mark = (torch.empty(size) for size in (most, few, few))
        given = (value, held.expressed, silent, held.gene, stops, centre)
        read = (*counts.arrays(), *(t.numpy() for t in given))
        write = tuple(t.numpy() for t in (seen, shown, hidden, kept, mark, inside))
        side_by_side(lambda i: dense_rows.sides(*read, *edges[i], *write), len(edges))
        return Views(
            SparseCounts(counts.starts + silent, seen, shown, genes),
            inside.unsqueeze(1),
            SparseCounts(stops, hidden, kept, genes),
            SparseCounts(stops, hidden, mark, genes),
        )


class HeldOutPredictor(nn.Module):
    """Predict the embedding of held-out genes from that of the visible ones (Stage A).

    Which genes are held out is told by the mean of their embeddings.
    Source: Assran et al. 2023 (I-JEPA), with genes in place of image patches.
    """

    def __init__(self, genes: int, latent: int, hidden: int) -> None:
        super().__init__()
        self.genes = nn.Parameter(torch.randn(genes, latent) * 0.1)
        self.body = nn.Sequential(
            nn.Linear(2 * latent, hidden), nn.GELU(), ResidualBlock(hidden), nn.LayerNorm(hidden)
        )
        self.out = nn.Linear(hidden, latent)

    def forward(
        self, context: Float[Tensor, "B D"], held_out: Bool[Tensor, "B G"]
    ) -> Float[Tensor, "B D"]:
        """Return the predicted embedding of the held-out genes of each cell."""
        share = held_out.float()
        return self.of_asked(context, share / share.sum(dim=1, keepdim=True).clamp_min(1.0).sqrt())

    def of_asked(self, context: Float[Tensor, "B D"], asked: Counts) -> Float[Tensor, "B D"]:
        """Return the same for held-out genes as `Views` marks them."""
        return self.out(self.body(torch.cat((context, product(asked, self.genes)), dim=1)))
