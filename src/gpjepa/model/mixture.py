"""Responders and escapers: cells in which a perturbation acts, and cells in which it does not."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from gpjepa.model.composed_responders import OWN, ComposedResponders, blank_composed
from gpjepa.model.distributions import (
    TINY,
    CountDistribution,
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
)

LEAST_RATIO = 0.05  # of a gene's expression in responders, relative to escapers
SHARED, INDEPENDENT = 0, 1  # how the fraction of a set never measured is predicted


def responder_ratio(
    ratio: Float[Tensor, "*B C"], fraction: float | Float[Tensor, "*#B 1"]
) -> Float[Tensor, "*B C"]:
    """Return expression in responders over that in escapers, given that of all cells over it.

    With a fraction f of responders r = f·ρ + 1 − f, so ρ = (r − 1 + f) / f; not below .05, as a
    gene cannot lose more in all cells than the responders have of it.
    """
    return ((ratio - 1.0 + fraction) / fraction).clamp_min(LEAST_RATIO)


class ResponderMixture(nn.Module):
    """With probability f a cell responds, else it stays as it was.

    `sets` [P, K] are the sets of members with cells of their own, `belief` [P, 2] the Beta
    posterior of their fractions; `prior` [2] is the Beta distribution over sets. In expression
    f · responders + (1 − f) · escapers is the mean of all cells. Which of the two is known gives
    the other: sets that `composition` composes have responders whose log rates change by what it
    says, and the mean of all cells follows; elsewhere the mean is the predictor's and
    responders are shifted by more than it.
    """

    sets: Tensor
    belief: Tensor
    prior: Tensor
    rule: Tensor

    def __init__(
        self,
        sets: Int[Tensor, "P K"],
        belief: Float[Tensor, "P 2"],
        prior: Float[Tensor, " 2"],
        rule: int,
        composition: ComposedResponders | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("sets", sets.sort(dim=1, descending=True).values)
        self.register_buffer("belief", belief)
        self.register_buffer("prior", prior)
        self.register_buffer("rule", torch.tensor(rule))
        self.composition = composition

    def measured(self, members: Int[Tensor, "B K"]) -> Int[Tensor, " B"]:
        """Return the row in `belief` of each set, −1 for sets that were not measured."""
        width = max(members.shape[1], self.sets.shape[1])
        asked, known = _padded(members, width), _padded(self.sets, width)
        same = (asked[:, None, :] == known[None]).all(dim=2)
        return torch.where(same.any(dim=1), same.int().argmax(dim=1), -1)

    def beliefs(self, members: Int[Tensor, "B K"]) -> Float[Tensor, "B 2"]:
        """Return the Beta distribution of the fraction of responders of each set.

        Sets without cells have the prior; or, where guides were found to act independently and
        all members are measured, its concentration around the product of the members' means.
        """
        row = self.measured(members)
        found = torch.where((row >= 0)[:, None], self.belief[row.clamp_min(0)], self.prior)
        if int(self.rule) != INDEPENDENT:
            return found
        flat = self.measured(members.reshape(-1, 1)).reshape(members.shape)
        present = members >= 0
        own = _mean(self.belief)[flat.clamp_min(0)]
        product = torch.where(present, own, 1.0).prod(dim=1)
        composed = (row < 0) & (present.sum(dim=1) > 1) & ((flat >= 0) | ~present).all(dim=1)
        around = self.prior.sum() * torch.stack((product, 1.0 - product), dim=1)
        return torch.where(composed[:, None], around, found)

    def fraction(self, members: Int[Tensor, "B K"]) -> Float[Tensor, " B"]:
        """Return the expected fraction of responders of each set; 1 for the empty set."""
        sets, inverse = torch.unique(members, dim=0, return_inverse=True)
        fraction = torch.where((sets >= 0).any(dim=1), _mean(self.beliefs(sets)), 1.0)
        return fraction[inverse]

    def composes(self, members: Int[Tensor, "B K"]) -> Bool[Tensor, " B"]:
        """Tell which sets have responders that are composed of their members'."""
        if self.composition is None:
            return torch.zeros(len(members), dtype=torch.bool, device=members.device)
        return self.composition.composes(members)

    def mean(
        self,
        members: Int[Tensor, "B K"],
        before: Float[Tensor, "B G"],
        after: Float[Tensor, "B G"],
    ) -> Float[Tensor, "B G"]:
        """Return what is expected of each cell whether it responds or not.

        `after`, decoded, but for the genes that responders' effects are composed on.
        """
        composed = self.composes(members)
        if not bool(composed.any()):
            return after
        fraction = self.fraction(members).unsqueeze(1)
        responder = self._composed(members, before, after, composed)
        mixed = fraction * responder + (1.0 - fraction) * before
        return torch.where(torch.isnan(responder), after, mixed)

    def forward(
        self,
        members: Int[Tensor, "B K"],
        before: CountDistribution,
        after: CountDistribution,
        generator: Generator,
        led: bool = False,
    ) -> CountDistribution:
        """Return the counts that cells turn to when some of them respond and the others stay.

        `before` and `after` are what the decoder makes of each cell's start and of the latent
        drawn for it. Where every cell responds it is `after`, and nothing is drawn. Where `after`
        was `led` to a mean that is asked for, that mean is kept.
        """
        fraction = self.fraction(members).unsqueeze(1)
        if isinstance(after, ZeroInflatedNegativeBinomial) or bool((fraction >= 1.0).all()):
            return after
        assert isinstance(before, NegativeBinomial)
        assert isinstance(after, NegativeBinomial)
        drawn = torch.rand(fraction.shape, generator=generator, device=fraction.device)
        ratio = after.mu / before.mu.clamp_min(TINY)
        responder = before.mu * responder_ratio(ratio, fraction)
        composed = self.composes(members)
        if not led and bool(composed.any()):
            own = self._composed(members, before.mu, after.mu, composed)
            responder = torch.where(torch.isnan(own), responder, own)
        return NegativeBinomial(
            torch.where(drawn < fraction, responder, before.mu), after.dispersion
        )

    def _composed(
        self,
        members: Int[Tensor, "B K"],
        before: Float[Tensor, "B G"],
        after: Float[Tensor, "B G"],
        composed: Bool[Tensor, " B"],
    ) -> Float[Tensor, "B G"]:
        """Return what responders of `composed` sets express; NaN for all else."""
        assert self.composition is not None
        change = torch.exp(self.composition(members[composed])).clamp_min(LEAST_RATIO)
        found = torch.full_like(after, torch.nan)
        rows, genes = composed.nonzero(), self.composition.genes
        found[rows, genes] = before[rows, genes] * change.to(before)
        return found


def blank_mixture(tensors: Mapping[str, Tensor]) -> ResponderMixture | None:
    """Return a mixture with the shapes of a saved one, to be filled; None if there is none."""
    if not tensors:
        return None
    sets, belief, prior = (torch.zeros_like(tensors[name]) for name in ("sets", "belief", "prior"))
    own = {name.removeprefix(OWN): each for name, each in tensors.items() if name.startswith(OWN)}
    return ResponderMixture(sets, belief, prior, SHARED, blank_composed(own))


def _mean(belief: Float[Tensor, "*B 2"]) -> Float[Tensor, "*B"]:
    return belief[..., 0] / belief.sum(dim=-1)


def _padded(members: Int[Tensor, "B K"], width: int) -> Int[Tensor, "B W"]:
    """Return the sets with their members in one order, −1 last, `width` columns."""
    ordered = members.sort(dim=1, descending=True).values
    return torch.nn.functional.pad(ordered, (0, width - members.shape[1]), value=-1)
