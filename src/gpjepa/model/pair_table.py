"""Sets among M members composed in parts that can be kept: terms of pairs, then the rest."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.model.composition import (
    PRIORS,
    RELATED,
    RESPONSES,
    SAME,
    STATES,
    Composition,
    Members,
    PairInteraction,
    paired,
    unit_rows,
)
from gpjepa.model.stacked import StackedComposition


class PairTable:
    """`StackedComposition` for sets of some of M members, without a kernel for each set.

    `members` are M sets of one. What kernels compare, a member with a member of a measured pair,
    is made once, so that the term of a pair takes products of rows, and that of a set is a sum of
    the terms of its pairs.
    """

    def __init__(self, stacked: StackedComposition, members: Members) -> None:
        self.stacked, self.effects = stacked, members.effects[:, 0]
        directions = self.effects.shape[1]
        self.factors = self.effects.new_full((directions,), float(stacked.weights[-2]))
        self._parts: list[tuple[Tensor, _Kernel]] = []
        for part, weight in zip(stacked.compositions, stacked.weights, strict=False):
            width = len(part.factors)
            self.factors[:width] += weight * part.factors
            own = Members(members.effects[..., :width], members.priors, members.ids)
            self._parts.append((weight, _Kernel(part, own)))

    def pairs(self, one: Int[Tensor, " N"], other: Int[Tensor, " N"]) -> Float[Tensor, "N C"]:
        """Return what two different members add beyond the rescaled sum, by their rows."""
        found = self.effects.new_zeros((len(one), self.effects.shape[1]))
        for weight, kernel in self._parts:
            found[:, : kernel.width] += weight * kernel.shift(one, other)
        return found

    def composed(
        self, total: Float[Tensor, "N C"], terms: Float[Tensor, "N C"]
    ) -> Float[Tensor, "N C"]:
        """Return the effects of sets of several members, given their summed effects and terms."""
        return self.stacked.recall(total * self.factors + terms)


class _Kernel:
    """One composition's kernel between pairs of M members and its A measured pairs."""

    def __init__(self, part: Composition, members: Members) -> None:
        interaction: PairInteraction = part.interaction
        kernel, anchors = interaction.kernel, interaction.anchors
        self.kernel, self.weights, self.width = kernel, interaction.weights, len(part.factors)
        self.weight = torch.exp(2 * kernel.log_weight)
        self.effects = members.effects[:, 0]
        self.unit = unit_rows(self.effects)
        self.near = kernel.responses(members.effects, anchors.effects)[:, 0]
        self.norm = kernel.norm(anchors.effects)
        prior, same = kernel.known(members, anchors)
        self.prior = prior[:, 0]
        alike = self.weight[SAME] * same[:, 0].to(prior.dtype) + self.weight[RELATED] * self.prior
        self.linear = alike.sum(dim=2) / 2 @ self.weights
        sums = anchors.effects.sum(dim=1) / kernel.unit
        self.sums = (sums * sums).sum(dim=1)
        self.across = self.effects / kernel.unit @ sums.T

    def shift(self, one: Int[Tensor, " N"], other: Int[Tensor, " N"]) -> Float[Tensor, "N W"]:
        """Return the shift of each pair, `PairInteraction` of it."""
        kernel, weight = self.kernel, self.weight
        norm = kernel.norm_of((self.unit[one] * self.unit[other]).sum(dim=1))
        found = paired(self.near[one], self.near[other]) / (norm[:, None] * self.norm)
        found *= weight[RESPONSES]
        found += weight[PRIORS] * paired(self.prior[one], self.prior[other])
        own = (self.effects[one] + self.effects[other]) / kernel.unit
        apart = (own * own).sum(dim=1)[:, None] + self.sums
        apart -= 2 * (self.across[one] + self.across[other])
        found += weight[STATES] * kernel.near_states(apart.clamp_min_(0.0))
        return found @ self.weights + self.linear[one] + self.linear[other]


def pair_table(stacked: StackedComposition | None, members: Members) -> PairTable | None:
    """Return the table of M sets of one; None without a composition."""
    if stacked is None:
        return None
    with torch.no_grad():
        return PairTable(stacked, members)
