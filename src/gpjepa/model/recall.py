"""Drawing predicted effects towards states that were measured."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Recall(nn.Module):
    """Maps an effect to what measured effects near it look like, and moves part of the way.

    Measured effects lie near a curved surface that a sum of effects and shifts can leave. The map
    is kernel ridge regression of the N measured `states` on themselves, by a Gaussian kernel of
    standard deviation `width`; `precision` [N, N] = (K + λ)⁻¹. The way is `share` times the support
    k (K + λ)⁻¹ k, 1 at a well-measured state and 0 far from all of them: an effect unlike any
    measured one stays as it is. Without states nothing moves.
    """

    states: Tensor
    precision: Tensor
    width: Tensor
    share: Tensor

    def __init__(
        self,
        states: Float[Tensor, "N D"],
        precision: Float[Tensor, "N N"],
        width: float,
        share: float,
    ) -> None:
        super().__init__()
        self.register_buffer("states", states)
        self.register_buffer("precision", precision)
        self.register_buffer("width", torch.tensor(float(width), dtype=states.dtype))
        self.register_buffer("share", torch.tensor(float(share), dtype=states.dtype))

    def forward(self, effects: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the effects, each moved towards the measured states."""
        if not len(self.states):
            return effects
        near = gaussian(effects, self.states, self.width)
        weighed = near @ self.precision
        support = (weighed * near).sum(dim=1, keepdim=True)
        return effects + self.share * support * (weighed @ self.states - effects)


def gaussian(
    left: Float[Tensor, "B D"], right: Float[Tensor, "N D"], width: Float[Tensor, ""]
) -> Float[Tensor, "B N"]:
    """Return the Gaussian kernel exp(−|x − y|² / 2 width²) between rows."""
    squares = (left * left).sum(dim=1)[:, None] + (right * right).sum(dim=1)[None]
    apart = (squares - 2 * left @ right.T).clamp_min(0.0)
    return torch.exp(-apart / (2 * width**2))


def no_recall(directions: int) -> Recall:
    """Return a recall that leaves effects along D directions as they are."""
    none = torch.zeros((0, directions), dtype=torch.float64)
    return Recall(none, none.new_zeros((0, 0)), 1.0, 0.0)
