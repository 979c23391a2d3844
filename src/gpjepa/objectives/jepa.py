"""Latent prediction against the teacher."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def latent_prediction(
    predicted: Float[Tensor, "B D"], teacher: Float[Tensor, "B D"]
) -> Float[Tensor, ""]:
    """Return ½‖ẑ − sg(z̄)‖², summed over dimensions and averaged over cells.

    Half a squared distance is the nats of a unit-variance Gaussian, the scale of the other terms.
    """
    return 0.5 * (predicted - teacher.detach()).square().sum(dim=1).mean()
