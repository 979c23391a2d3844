"""How far off composed effects, and those of genes never perturbed, may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from gpjepa.model.composition import Composition, Members, pairs_of
from gpjepa.model.stacked import StackedComposition

LEAST_LENGTH = 0.05  # of a typical distance between singles
LEAST_SHARE = 1e-3  # of the sum's length: what is shorter counts as this long
FARTHEST = 3.0  # standard deviations from the mean of what was learned from
TRAITS = 3  # of a set: doubt, length of the interaction, length of the sum that is noise
TINY = 1e-300


class Scales(NamedTuple):
    """What makes up the standard deviations of errors, in the unit of the effects.

    `together` [H] is the scale of each gene for composed sets, `alone` [H] that for genes never
    perturbed; NaN where there was nothing to judge errors by. `doubt` [M] is the factor on `alone`
    of each gene's own effect, 0 for a measured one; `noise` [C] the noise variance of each
    composition's kernel. The logarithm of a set's factor on `together` is `level` plus `slopes` ·
    its standardised traits plus `restless` [M] of its members, and a gene's own one `reach` times
    how strongly a member moves it.
    """

    together: Float[Tensor, " H"]
    alone: Float[Tensor, " H"]
    doubt: Float[Tensor, " M"]
    noise: Float[Tensor, " C"]
    level: Float[Tensor, ""]
    slopes: Float[Tensor, " T"]
    centre: Float[Tensor, " T"]
    width: Float[Tensor, " T"]
    restless: Float[Tensor, " M"]
    reach: Float[Tensor, ""]


class ErrorBars(nn.Module):
    """Standard deviations of the errors of predicted effects, against effects as measured."""

    together: Tensor
    alone: Tensor
    doubt: Tensor
    noise: Tensor
    level: Tensor
    slopes: Tensor
    centre: Tensor
    width: Tensor
    restless: Tensor
    reach: Tensor

    def __init__(self, scales: Scales) -> None:
        super().__init__()
        for name, value in zip(Scales._fields, scales, strict=True):
            self.register_buffer(name, value)

    def forward(
        self, members: Members, stacked: StackedComposition | None, basis: Float[Tensor, "D H"]
    ) -> Float[Tensor, "B H"]:
        """Return standard deviations for sets of members, whose ids are rows of `doubt`.

        Members' effects are along the directions `basis`. Without what composes them only single
        members have any. A measured single is NaN: its error is that of its own cells.
        """
        present = members.present
        guessed = (self.doubt[members.ids.clamp_min(0)] * present).square().sum(dim=1)
        variance = guessed[:, None] * self.alone.square()
        several = present.sum(dim=1) > 1
        known = ~several & (guessed > 0)
        if stacked is not None and bool(several.any()):
            sets = Members(*(part[several] for part in members))
            own = self._together(sets, stacked, basis).square()
            share = torch.where(guessed[several, None] > 0, variance[several], 0.0)
            variance = variance.index_copy(0, several.nonzero().squeeze(1), own + share)
            known = known | several
        return torch.where(known[:, None], torch.sqrt(variance), torch.nan)

    def sizes(self, members: Members, stacked: StackedComposition) -> Float[Tensor, " B"]:
        """Return the logarithm of the factor of each composed set on `together`."""
        traits = (describe(stacked, members, self.noise) - self.centre) / self.width
        own = self.restless[members.ids.clamp_min(0)] * members.present
        return self.level + traits.clamp(-FARTHEST, FARTHEST) @ self.slopes + own.sum(dim=1)

    def _together(
        self, sets: Members, stacked: StackedComposition, basis: Float[Tensor, "D H"]
    ) -> Float[Tensor, "B H"]:
        moved = strength((sets.effects @ basis.to(sets.effects.dtype)), self.together)
        size = self.sizes(sets, stacked)
        return self.together * torch.exp(size[:, None] + self.reach * moved)


def strength(effects: Float[Tensor, "B K H"], scale: Float[Tensor, " H"]) -> Float[Tensor, "B H"]:
    """Return how strongly the strongest member moves each gene, relative to a set's mean gene.

    log(1 + (effect / scale)²), centred over genes.
    """
    safe = scale.clamp_min(1e-9 * float(scale.max().nan_to_num()) + TINY)
    found = torch.log1p((effects.abs().amax(dim=1) / safe).square())
    return found - found.mean(dim=1, keepdim=True)


def describe(
    stacked: StackedComposition, members: Members, noise: Float[Tensor, " C"]
) -> Float[Tensor, "B T"]:
    """Return what errors of composed sets depend on: the logarithms of three lengths.

    The doubt of the compositions, averaged by their weights; how far the composed effect lies from
    the sum of the members' denoised effects; and that sum from the one of the effects themselves.
    """
    each = [
        pair_doubt(part, members, own)
        for part, own in zip(stacked.compositions, noise, strict=True)
    ]
    doubt = torch.tensordot(stacked.shares.to(each[0].dtype), torch.stack(each), dims=1)
    found = stacked(members)
    total = (members.effects * members.present[..., None]).sum(dim=1)
    return traits(doubt, found.first_order + found.second_order, stacked.alone(members), total)


def traits(
    doubt: Float[Tensor, " B"],
    composed: Float[Tensor, "B D"],
    alone: Float[Tensor, "B D"],
    total: Float[Tensor, "B D"],
) -> Float[Tensor, "B T"]:
    """Return the traits of sets from their doubt, composed effects, denoised sums and sums."""
    least = LEAST_SHARE * total.norm(dim=1) + TINY
    lengths = [(composed - alone).norm(dim=1) + least, (total - alone).norm(dim=1) + least]
    return torch.log(torch.stack([doubt.clamp_min(TINY), *lengths], dim=1))


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


def unjudged(genes: int, members: int, parts: Sequence[float]) -> Scales:
    """Return scales of which nothing is known: NaN for every set and every gene."""
    kind = torch.float64
    return Scales(
        torch.full((genes,), torch.nan, dtype=kind),
        torch.full((genes,), torch.nan, dtype=kind),
        torch.zeros(members, dtype=kind),
        torch.tensor(list(parts), dtype=kind),
        torch.zeros((), dtype=kind),
        torch.zeros(TRAITS, dtype=kind),
        torch.zeros(TRAITS, dtype=kind),
        torch.ones(TRAITS, dtype=kind),
        torch.zeros(members, dtype=kind),
        torch.zeros((), dtype=kind),
    )
