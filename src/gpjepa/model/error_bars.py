"""How far off composed effects, and those of genes never perturbed, may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from gpjepa.model.composition import Composition, Members, pairs_of

LEAST_LENGTH = 0.05  # of a typical distance between singles


class Scales(NamedTuple):
    """What errors are multiples of; unit of effects per unit of doubt.

    `together` [H] belongs to composed sets and `alone` [H] to genes never perturbed, NaN where
    there was nothing to judge errors by. `doubt` [M] is that of each gene's own effect, 0 for a
    measured one, and `noise` [C] the noise variance of each composition's kernel.
    """

    together: Float[Tensor, " H"]
    alone: Float[Tensor, " H"]
    doubt: Float[Tensor, " M"]
    noise: Float[Tensor, " C"]


class ErrorBars(nn.Module):
    """Standard deviations of the errors of predicted effects, against effects as measured."""

    together: Tensor
    alone: Tensor
    doubt: Tensor
    noise: Tensor

    def __init__(self, scales: Scales) -> None:
        super().__init__()
        for name, value in zip(Scales._fields, scales, strict=True):
            self.register_buffer(name, value)

    def forward(
        self, members: Members, parts: Sequence[Composition], weights: Float[Tensor, " C"]
    ) -> Float[Tensor, "B H"]:
        """Return standard deviations for sets of members, whose ids are rows of `doubt`.

        `parts` [C] compose them with `weights`; without parts only single members have any. A
        measured single is NaN: its error is that of its own cells.
        """
        present = members.present
        guessed = (self.doubt[members.ids.clamp_min(0)] * present).square().sum(dim=1)
        several = present.sum(dim=1) > 1
        own = torch.zeros(len(members.ids), dtype=self.together.dtype, device=guessed.device)
        if len(parts) and bool(several.any()):
            each = [
                pair_doubt(part, members, noise)
                for part, noise in zip(parts, self.noise, strict=True)
            ]
            own = torch.tensordot(weights, torch.stack(each), dims=1)
        shared = torch.where(several[:, None], (own[:, None] * self.together) ** 2, 0.0)
        spread = torch.sqrt(shared + guessed[:, None] * self.alone**2)
        known = several & bool(len(parts)) | ~several & (guessed > 0)
        return torch.where(known[:, None], spread, torch.nan)


def pair_doubt(
    part: Composition, members: Members, noise: Float[Tensor, ""]
) -> Float[Tensor, " B"]:
    """Return how far off each composed effect may be, up to a factor.

    The square root of the kernel's posterior variance over all pairs of a set plus its noise,
    growing with the square root of the sum's length; 1 for the variance without a kernel.
    """
    interaction = part.interaction
    width = len(part.factors)
    members = Members(members.effects[..., :width], members.priors, members.ids)
    present: Bool[Tensor, "B K"] = members.present
    variance = noise.expand(len(present))
    owner, columns = pairs_of(present)
    if not len(interaction.weights):
        variance = torch.ones_like(variance)
    elif len(owner):
        pair = interaction.variance(members.pick(owner, columns))
        variance = variance.index_add(0, owner, pair)
    total = (members.effects * present[..., None]).sum(dim=1)
    length = total.norm(dim=1) / interaction.kernel.unit
    return torch.sqrt(variance * length.clamp_min(LEAST_LENGTH))
