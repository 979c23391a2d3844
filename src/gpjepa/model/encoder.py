"""The cell encoder f_θ: raw counts of the visible genes to one latent vector."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from gpjepa.model.genes import GeneScaling


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
        self.embed = nn.Linear(genes, hidden)
        self.blocks = nn.Sequential(*[ResidualBlock(hidden) for _ in range(layers)])
        self.out = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, latent))

    def forward(
        self,
        counts: Float[Tensor, "B G"],
        library: Float[Tensor, " B"],
        visible: Bool[Tensor, "B G"] | None = None,
    ) -> Float[Tensor, "B D"]:
        """Return one latent per cell; `visible` marks the genes that may be looked at."""
        expression = self.scaling(counts, library)
        if visible is not None:
            share = visible.float().mean(dim=1, keepdim=True).clamp_min(1e-3)
            expression = expression * visible / share.sqrt()
        return self.out(self.blocks(self.embed(expression)))


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
        asked = (share @ self.genes) / share.sum(dim=1, keepdim=True).clamp_min(1.0).sqrt()
        return self.out(self.body(torch.cat((context, asked), dim=1)))
