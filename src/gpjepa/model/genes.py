"""From raw counts to the standardised expression that the encoder sees."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gpjepa.model.kernels import available, one_by_one, side_by_side
from gpjepa.model.sparse_counts import Counts, SparseCounts


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
        return self.uncentred(counts, library) - self.centre()

    def centre(self) -> Float[Tensor, " G"]:
        """Return what centring takes off `uncentred`: the scaled means."""
        return self.mean * self.scale

    def uncentred(self, counts: Counts, library: Float[Tensor, " B"]) -> Float[Tensor, "B G"]:
        """Return scaled expression before it is centred: zero where a count is."""
        if isinstance(counts, SparseCounts):
            return self.expression(counts, library).dense()
        return torch.log1p(counts * self._per_count(library).unsqueeze(1)) * self.scale

    def expression(self, counts: SparseCounts, library: Float[Tensor, " B"]) -> SparseCounts:
        """Return `uncentred` expression without its zeros, in the place of the counts."""
        return replace(counts, value=self.of_positive(counts, library))

    def of_positive(
        self, counts: SparseCounts, library: Float[Tensor, " B"]
    ) -> Float[Tensor, " N"]:
        """Return the scaled expression of the counts above zero, not centred."""
        per_count = self._per_count(library)
        if available(counts.value, per_count, self.scale):
            from gpjepa.model.kernels import dense_rows

            out, edges = torch.empty_like(counts.value), one_by_one(counts.shape[0])
            given = (*counts.arrays(), *(t.numpy() for t in (counts.value, per_count, self.scale)))
            side_by_side(
                lambda i: dense_rows.expression(*given, *edges[i], out.numpy()), len(edges)
            )
            return out
        share = counts.value * per_count[counts.cell()]
        return torch.log1p(share) * self.scale[counts.gene]

    def _per_count(self, library: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        return self.target / library.clamp_min(1.0)
