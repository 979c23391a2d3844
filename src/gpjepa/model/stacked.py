"""Several compositions of the same members, weighed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gpjepa.model.composition import Composed, Composition, Members
from gpjepa.model.recall import Recall, no_recall

LEAST = 1e-9  # weight of a composition among themselves


class StackedComposition(nn.Module):
    """The weighted mean of compositions, of the plain sum and of no change, along D directions.

    A composition of fewer directions works on the first of them. `weights` [C + 2] belong to the
    C compositions, the sum and no change, and are 0 or more. The mean of several members is then
    drawn towards measured states by `recall`; None leaves it.
    """

    weights: Tensor

    def __init__(
        self,
        parts: Sequence[Composition],
        weights: Float[Tensor, " C2"],
        recall: Recall | None = None,
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.register_buffer("weights", weights)
        directions = max([1, *(len(part.factors) for part in parts)])
        self.recall = no_recall(directions) if recall is None else recall

    @property
    def compositions(self) -> tuple[Composition, ...]:
        """The compositions that are weighed."""
        return tuple(cast(Composition, part) for part in self.parts)

    @property
    def shares(self) -> Float[Tensor, " C"]:
        """The weights of the compositions among themselves, summing to 1."""
        weights = self.weights[: len(self.parts)] + LEAST
        return weights / weights.sum()

    def alone(self, members: Members) -> Float[Tensor, "B D"]:
        """Return the sum of the members' effects, on as many directions as each part keeps.

        Averaged by the weights of the parts and of the sum.
        """
        total = (members.effects * members.present[..., None]).sum(dim=1)
        weights = self.weights[:-1] / self.weights[:-1].sum().clamp_min(1e-300)
        found = weights[-1] * total
        for part, weight in zip(self.compositions, weights, strict=False):
            width = len(part.factors)
            found[:, :width] += weight * total[:, :width]
        return found

    def forward(self, members: Members) -> Composed:
        """Compose the effects of each set; a set without members has none."""
        total = (members.effects * members.present[..., None]).sum(dim=1)
        first = self.weights[-2] * total
        second = torch.zeros_like(first)
        for part, weight in zip(self.compositions, self.weights, strict=False):
            width = len(part.factors)
            own = part(Members(members.effects[..., :width], members.priors, members.ids))
            first[:, :width] += weight * own.first_order
            second[:, :width] += weight * own.second_order
        mean = first + second
        several = (members.present.sum(dim=1) > 1)[:, None]
        second = second + torch.where(several, self.recall(mean) - mean, 0.0)
        return Composed(first, second)
