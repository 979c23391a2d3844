"""How effects of several members combine: a rescaled sum and a learned interaction of each pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

RESPONSES, PRIORS, STATES, SAME, RELATED = range(5)  # the parts of the kernel between pairs
PARTS = 5
SMALL = 1e-12


class Members(NamedTuple):
    """The members of B sets of up to K: what each does alone, what is known of it, who it is.

    `priors` rows have length at most 1, all zero for a gene of which nothing is known before its
    measurement. `ids` tell genes apart, -1 where there is no member.
    """

    effects: Float[Tensor, "B K D"]
    priors: Float[Tensor, "B K F"]
    ids: Int[Tensor, "B K"]

    @property
    def present(self) -> Bool[Tensor, "B K"]:
        """Tell where there is a member."""
        return self.ids >= 0

    def pick(self, rows: Int[Tensor, " N"], columns: Int[Tensor, "N M"]) -> Members:
        """Return M members of N sets, chosen by row and column."""
        at = (rows[:, None], columns)
        return Members(self.effects[at], self.priors[at], self.ids[at])


@dataclass(frozen=True)
class Composed:
    """Effects of sets: the mean is the sum of both orders; [B, D]."""

    first_order: Float[Tensor, "B D"]
    second_order: Float[Tensor, "B D"]


class PairKernel(nn.Module):
    """A kernel between pairs of members that no order of the members can change.

    A sum of five parts, each with a learned weight: both members respond alike (cosine of their
    effects), both are alike beforehand (inner product of their priors), the sums of their effects
    lie close, a member is the same gene, a member is alike beforehand. The first three have
    learned bandwidths where they need one. `unit` is the distance between typical members.
    """

    log_weight: Tensor
    log_bandwidth: Tensor
    unit: Tensor

    def __init__(self, unit: float) -> None:
        super().__init__()
        self.log_weight = nn.Parameter(torch.full((PARTS,), -1.5))
        self.log_bandwidth = nn.Parameter(torch.zeros(2))
        self.register_buffer("unit", torch.tensor(float(unit)))

    def forward(self, left: Members, right: Members) -> Float[Tensor, "N M"]:
        """Return the kernel between N and M pairs."""
        cosine = self.responses(left.effects, right.effects)
        prior, same = self.known(left, right)
        sums = left.effects.sum(dim=1) / self.unit, right.effects.sum(dim=1) / self.unit
        weight = torch.exp(2 * self.log_weight)
        return (
            weight[RESPONSES] * self._paired(cosine, left, right)
            + weight[PRIORS] * _symmetric(prior)
            + weight[STATES] * self.near_states(_squared_distance(*sums))
            + weight[SAME] * same.to(prior.dtype).sum(dim=(1, 3)) / 2
            + weight[RELATED] * prior.sum(dim=(1, 3)) / 2
        )

    def diagonal(self, pairs: Members) -> Float[Tensor, " N"]:
        """Return the kernel of each pair with itself."""
        weight = torch.exp(2 * self.log_weight)
        alike = (pairs.priors[:, 0] * pairs.priors[:, 1]).sum(dim=1)
        constant = weight[RESPONSES] + weight[STATES] + weight[SAME]
        return constant + weight[PRIORS] * (1 + alike**2) + weight[RELATED] * (1 + alike)

    def responses(
        self, left: Float[Tensor, "N I D"], right: Float[Tensor, "M J D"]
    ) -> Float[Tensor, "N I M J"]:
        """Return the similarity of single members by the angle between their effects."""
        cosine = torch.einsum("nid,mjd->nimj", unit_rows(left), unit_rows(right))
        return torch.exp((cosine - 1) / torch.exp(2 * self.log_bandwidth[0]))

    def _paired(self, similar: Tensor, left: Members, right: Members) -> Tensor:
        """Return the symmetric product over both members, 1 for a pair with itself."""

        norms = self.norm(left.effects), self.norm(right.effects)
        return _symmetric(similar) / norms[0][:, None] / norms[1][None]

    def norm(self, effects: Float[Tensor, "N 2 D"]) -> Float[Tensor, " N"]:
        """Return what makes the first part 1 for each pair with itself."""
        return self.norm_of((unit_rows(effects[:, 0]) * unit_rows(effects[:, 1])).sum(dim=1))

    def norm_of(self, cosine: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """Return it from the cosine of both members' effects."""
        return torch.sqrt(1 + torch.exp(2 * (cosine - 1) / torch.exp(2 * self.log_bandwidth[0])))

    def known(self, left: Members, right: Members) -> tuple[Tensor, Tensor]:
        """Return how alike single members are beforehand, and whether they are the same gene.

        Both [N, I, M, J]; a gene is wholly like itself.
        """
        same = left.ids[:, :, None, None] == right.ids[None, None]
        prior = torch.einsum("nif,mjf->nimj", left.priors, right.priors)
        return torch.where(same, torch.ones_like(prior), prior), same

    def near_states(self, apart: Float[Tensor, "N M"]) -> Float[Tensor, "N M"]:
        """Return the similarity of pairs by the squared distance of their summed effects."""
        width = torch.exp(2 * self.log_bandwidth[1])
        return torch.exp(-apart / (2 * width))


class PairInteraction(nn.Module):
    """Shift of a pair beyond the rescaled sum: kernel-weighted residuals of measured pairs.

    `weights` [N, D] are one row per measured pair (anchor). Without anchors it is zero.
    """

    weights: Tensor
    precision: Tensor

    def __init__(self, kernel: PairKernel, anchors: Members) -> None:
        super().__init__()
        self.kernel = kernel
        for name, value in zip(Members._fields, anchors, strict=True):
            self.register_buffer(f"anchor_{name}", value)
        count = len(anchors.ids)
        self.register_buffer("weights", anchors.effects.new_zeros(count, anchors.effects.shape[2]))
        self.register_buffer("precision", anchors.effects.new_zeros(count, count))

    @property
    def anchors(self) -> Members:
        """The measured pairs."""
        return Members(*(getattr(self, f"anchor_{name}") for name in Members._fields))

    def solve(self, residuals: Float[Tensor, "N D"], noise: Float[Tensor, ""]) -> None:
        """Set the weights to the posterior mean given the anchors' residuals."""
        with torch.no_grad():
            kernel = self.kernel(self.anchors, self.anchors)
            eye = torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
            self.precision = torch.linalg.inv(kernel + noise * eye)
            self.weights = self.precision @ residuals

    def forward(self, pairs: Members) -> Float[Tensor, "N D"]:
        """Return the shift of each pair."""
        return self.kernel(pairs, self.anchors) @ self.weights

    def covariance(self, pairs: Members) -> Float[Tensor, "N N"]:
        """Return the posterior covariance of pairs, in units of one direction's scale."""
        cross = self.kernel(pairs, self.anchors)
        return self.kernel(pairs, pairs) - cross @ self.precision @ cross.T

    def variance(self, pairs: Members) -> Float[Tensor, " N"]:
        """Return the posterior variance of each pair, in units of one direction's scale."""
        cross = self.kernel(pairs, self.anchors)
        explained = torch.einsum("nm,mk,nk->n", cross, self.precision, cross)
        return (self.kernel.diagonal(pairs) - explained).clamp_min(0.0)


class Composition(nn.Module):
    """Σ effects, rescaled per direction when there are several, plus a shift for every pair.

    Any set size; the order of members cannot matter. One member is left as it is.
    """

    factors: Tensor

    def __init__(self, factors: Float[Tensor, " D"], interaction: PairInteraction) -> None:
        super().__init__()
        self.register_buffer("factors", factors)
        self.interaction = interaction

    def forward(self, members: Members) -> Composed:
        """Compose the effects of each set; a set without members has none."""
        present = members.present
        total = (members.effects * present[..., None]).sum(dim=1)
        several = (present.sum(dim=1) > 1)[:, None]
        first = torch.where(several, total * self.factors, total)
        second = torch.zeros_like(first)
        owner, columns = pairs_of(present)
        if len(owner):
            second = second.index_add(0, owner, self.interaction(members.pick(owner, columns)))
        return Composed(first, second)


def pairs_of(present: Bool[Tensor, "B K"]) -> tuple[Int[Tensor, " N"], Int[Tensor, "N 2"]]:
    """Return every pair of members of every set: the set, and the columns of the two."""
    first, second = torch.triu_indices(present.shape[1], present.shape[1], 1, device=present.device)
    owner, which = torch.nonzero(present[:, first] & present[:, second], as_tuple=True)
    return owner, torch.stack((first[which], second[which]), dim=1)


def unit_rows(vectors: Tensor) -> Tensor:
    """Return the vectors at length 1, zero for those without length."""
    return vectors / torch.sqrt((vectors * vectors).sum(dim=-1, keepdim=True) + SMALL)


def _symmetric(similar: Float[Tensor, "N 2 M 2"]) -> Float[Tensor, "N M"]:
    """Return the product over both members, summed over both ways to match them."""
    return paired(similar[:, 0], similar[:, 1])


def paired(one: Float[Tensor, "N M 2"], other: Float[Tensor, "N M 2"]) -> Float[Tensor, "N M"]:
    """Return the similarity of pairs from that of their first and second members with M pairs'."""
    return one[..., 0] * other[..., 1] + one[..., 1] * other[..., 0]


def _squared_distance(left: Tensor, right: Tensor) -> Tensor:
    squares = (left * left).sum(dim=1)[:, None] + (right * right).sum(dim=1)[None]
    return (squares - 2 * left @ right.T).clamp_min(0.0)
