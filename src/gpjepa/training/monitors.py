"""Numbers that show a collapse before it costs a run."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gpjepa.objectives.across import WHOLE, Across
from gpjepa.objectives.weights import Term

ACTIVE = 0.01  # nats of KL above which a latent unit carries something


@torch.no_grad()
def effective_rank(z: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Return exp(entropy) of the normalised covariance spectrum, between 1 and D.

    Source: Roy and Vetterli 2007.
    """
    centred = z.float() - z.float().mean(dim=0)
    spectrum = torch.linalg.svdvals(centred).square()
    share = spectrum / spectrum.sum().clamp_min(1e-12)
    return torch.exp(-(share * torch.log(share.clamp_min(1e-12))).sum())


def spread_monitors(name: str, z: Float[Tensor, "B D"], across: Across = WHOLE) -> tuple[Term, ...]:
    """Return the smallest standard deviation over dimensions, unweighted."""
    return (Term(f"monitor/{name}_min_std", across.deviation(z.detach().float()).min(), 0.0),)


def active_units(kl: Float[Tensor, "B D"], across: Across = WHOLE) -> Term:
    """Return how many latent dimensions carry at least `ACTIVE` nats.

    Source: Burda et al. 2016, section 5.3, with the KL in place of the variance.
    """
    count = (across.mean(kl.detach()) > ACTIVE).float().sum()
    return Term("monitor/active_units", count, 0.0)
