"""From raw counts to the standardised expression that the encoder sees."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GeneScaling(nn.Module):
    """log1p(target · counts / library), centred and scaled per gene by training moments.

    Zero is a gene's training mean.
    """

    mean: Tensor
    scale: Tensor
    target: Tensor

    def __init__(
        self, mean: Float[Tensor, " G"], deviation: Float[Tensor, " G"], target: float
    ) -> None:
        super().__init__()
        # A gene seen in a handful of cells would dominate if scaled by its tiny deviation.
        seen = deviation[deviation > 0]
        floor = seen.quantile(0.9) * 0.5 if len(seen) else torch.tensor(1.0)
        self.register_buffer("mean", mean.clone())
        self.register_buffer("scale", 1.0 / deviation.clamp_min(float(floor)))
        self.register_buffer("target", torch.tensor(float(target)))

    def forward(
        self, counts: Float[Tensor, "B G"], library: Float[Tensor, " B"]
    ) -> Float[Tensor, "B G"]:
        """Return standardised expression; `library` are the cells' totals in counts."""
        expression = torch.log1p(counts * (self.target / library.clamp_min(1.0)).unsqueeze(1))
        return (expression - self.mean) * self.scale
