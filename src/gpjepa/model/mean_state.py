"""The mean control state in place of each cell's own."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

SHARE = 0.01  # of a batch in the running mean, once as many batches have been seen


class MeanState(nn.Module):
    """Replace every control state by the mean control state.

    In training that is the mean of the batch, as in Ioffe and Szegedy 2015; afterwards its
    running mean, whatever cells are given.
    """

    mean: Tensor
    batches: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("batches", torch.tensor(0.0))

    def forward(self, state: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the mean state once for each cell."""
        if not self.training:
            return self.mean.expand_as(state)
        here = state.mean(dim=0)
        with torch.no_grad():
            self.batches += 1.0
            self.mean.lerp_(here.detach(), torch.clamp(1.0 / self.batches, min=SHARE))
        return here.expand_as(state)
