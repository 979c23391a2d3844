"""Composition inside the predictor: effects of members in expression, mapped to the latent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.error_bars import ErrorBars, Scales
from gpjepa.model.pair_table import PairTable, pair_table
from gpjepa.model.stacked import StackedComposition

TOLD = 0.25  # noise variance of what a measured name tells of those alike, relative to a length


class Shifts(NamedTuple):
    """Latent shifts [B, D] of sets: of members by themselves, and of members together.

    `together` is 0 where `composed` [B] is False: for single members and for sets with a member
    whose own effect is not known.
    """

    alone: Float[Tensor, "B D"]
    together: Float[Tensor, "B D"]
    composed: Bool[Tensor, " B"]


class Known(NamedTuple):
    """What is known of V names: M of them have an effect, measured alone or predicted.

    `row` [V] finds a name among the M, −1 where nothing is known. `effects` [M, C], as measured,
    and `denoised` are along the directions `basis` [C, H] of the genes at `genes` [H]; `priors`
    [M, F].
    """

    row: Int[Tensor, " V"]
    effects: Float[Tensor, "M C"]
    denoised: Float[Tensor, "M C"]
    priors: Float[Tensor, "M F"]
    measured: Bool[Tensor, " M"]
    basis: Float[Tensor, "C H"]
    genes: Int[Tensor, " H"]


class EffectComposition(nn.Module):
    """Composes members' effects by the module that effect tables run, and returns latent shifts.

    A member by itself is shifted by what the predictor's own shift of it still lacks: its denoised
    effect minus the decoded one (`own` [M, C], 0 without training cells). Members together are
    shifted by their composed effect minus the sum of the denoised ones. Effects become shifts
    through `readout` [C, D], the ridge inverse of the decoder's Jacobian. `align` sets it and
    `own`; until then shifts are 0. Without `stacked` nothing is composed, and members of known
    effect of which nothing else is known do nothing together but in the pairs `trained` [T, 2].
    `errors` says how far off effects may be. A run saved before there were `trained` or `errors`
    has None.
    """

    row: Tensor
    effects: Tensor
    denoised: Tensor
    priors: Tensor
    measured: Tensor
    basis: Tensor
    genes: Tensor
    own: Tensor
    readout: Tensor
    supported: Tensor
    trained: Tensor | None

    def __init__(
        self,
        known: Known,
        stacked: StackedComposition | None,
        latent: int,
        supported: bool,
        errors: ErrorBars | None = None,
        trained: Int[Tensor, "T 2"] | None = None,
    ) -> None:
        super().__init__()
        for name, value in zip(Known._fields, known, strict=True):
            self.register_buffer(name, value)
        directions = known.effects.shape[1]
        self.register_buffer("own", torch.zeros_like(known.effects))
        self.register_buffer("readout", torch.zeros(directions, latent))
        self.register_buffer("supported", torch.tensor(supported))
        self.register_buffer("trained", trained)
        self.stacked = stacked
        self.errors = errors
        self.requires_grad_(False)

    def places(self, members: Int[Tensor, "B K"]) -> Bool[Tensor, "B K"]:
        """Tell which members have no training cells of their own but an effect from relations."""
        row = self._rows(members)
        return (row >= 0) & ~self.measured[row.clamp_min(0)]

    def composes(self, members: Int[Tensor, "B K"]) -> Bool[Tensor, " B"]:
        """Tell which sets are composed: two members or more, each of known effect."""
        present, known = members >= 0, self._rows(members) >= 0
        several = (present.sum(dim=1) > 1) & (known | ~present).all(dim=1)
        return several & (self.stacked is not None)

    def learned(self, sets: Int[Tensor, "N K"]) -> Bool[Tensor, " N"]:
        """Tell which pairs of names have a shift of the transformer's that something speaks for.

        Where nothing is composed that is a pair that trained, one with a member of unknown effect,
        or one of members that are both related to others. Of another pair the transformer knows
        two numbers of rows: what these would do together was learned from nothing. Sets of one
        member, or of more than two, count as learned.
        """
        found = torch.ones(len(sets), dtype=torch.bool, device=sets.device)
        if self.stacked is not None or self.trained is None or sets.shape[1] < 2:
            return found
        two = (sets >= 0).sum(dim=1) == 2
        pairs = sets[two].sort(dim=1).values[:, -2:]
        rows, names = self._rows(pairs), len(self.row)
        known = (rows >= 0).all(dim=1)
        related = (self.priors[rows.clamp_min(0)] != 0).any(dim=2).all(dim=1)
        there = self.trained.min(dim=1).values * names + self.trained.max(dim=1).values
        found[two] = ~known | related | torch.isin(pairs[:, 0] * names + pairs[:, 1], there)
        return found

    def forward(self, members: Int[Tensor, "B K"]) -> Shifts:
        """Return the shifts of sets of names, −1 where there is no member."""
        sets, inverse = torch.unique(members, dim=0, return_inverse=True)
        row = self._rows(sets)
        shown, known = row.clamp_min(0), (row >= 0)[..., None]
        denoised = self.denoised[shown] * known
        alone = (denoised - self.own[shown] * known).sum(dim=1) @ self.readout
        together, several = torch.zeros_like(alone), self.composes(sets)
        if bool(several.any()):
            at = several.nonzero().squeeze(1)
            beyond = self.beyond(self.composed(row[at]), denoised[at].sum(dim=1))
            together = together.index_copy(0, at, beyond)
        return Shifts(alone[inverse], together[inverse], several[inverse])

    def table(self, members: Int[Tensor, " M"]) -> PairTable | None:
        """Return what composes sets among names of known effect; None where nothing is composed."""
        return pair_table(self.stacked, self._members(self._rows(members[:, None])))

    def beyond(
        self, composed: Float[Tensor, "B C"], denoised: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B D"]:
        """Return latent shifts of members together from their composed and summed own effects."""
        return (composed.to(denoised.dtype) - denoised) @ self.readout

    def known(self, members: Int[Tensor, "B K"]) -> tuple[Bool[Tensor, "B K"], Tensor]:
        """Return whether each name has a known effect, and its denoised effect [B, K, C] or 0."""
        row = self._rows(members)
        there = row >= 0
        return there, self.denoised[row.clamp_min(0)] * there[..., None]

    def relation(self, members: Int[Tensor, "B 2"]) -> Float[Tensor, "B B"] | None:
        """Return how the errors of pairs covary once the measured pairs are known, in no unit.

        Posterior covariance of the compositions' kernels, weighed as they are; None without any.
        """
        if self.stacked is None or not self.stacked.compositions:
            return None
        pairs = self._members(self._rows(members))
        found = pairs.effects.new_zeros((len(members), len(members)))
        for part, share in zip(self.stacked.compositions, self.stacked.shares, strict=True):
            own = Members(pairs.effects[..., : len(part.factors)], pairs.priors, pairs.ids)
            found += share * part.interaction.covariance(own)
        return found

    def likeness(self, members: Int[Tensor, "B 1"]) -> Float[Tensor, "B B"]:
        """Return how alike names are beforehand, what the measured ones tell of them taken off."""
        own, known = self.priors[self._rows(members)[:, 0]], self.priors[self.measured]
        gram = known @ known.T + TOLD * torch.eye(len(known), dtype=own.dtype, device=own.device)
        across = own @ known.T
        return own @ own.T - across @ torch.linalg.solve(gram, across.T)

    def target(self, members: Int[Tensor, "B K"]) -> Float[Tensor, "B H"]:
        """Return the effects that sets are to have, on `genes`: composed, or sums of denoised."""
        row = self._rows(members)
        total = (self.denoised[row.clamp_min(0)] * (row >= 0)[..., None]).sum(dim=1)
        several = self.composes(members)
        if bool(several.any()):
            total[several] = self.composed(row[several])
        return total @ self.basis

    def composed(self, row: Int[Tensor, "B K"]) -> Float[Tensor, "B C"]:
        """Return the composed effects of sets of rows; needs `stacked`."""
        assert self.stacked is not None
        found = self.stacked(self._members(row))
        return (found.first_order + found.second_order).to(self.effects.dtype)

    def own_effects(self, members: Int[Tensor, "B K"]) -> Float[Tensor, "B H"]:
        """Return the sum of the members' own effects, measured or predicted, on `genes`."""
        row = self._rows(members)
        return (self.effects[row.clamp_min(0)] * (row >= 0)[..., None]).sum(dim=1) @ self.basis

    def departure(self, members: Int[Tensor, "B K"]) -> Float[Tensor, "B H"]:
        """Return what composed sets do beyond `own_effects`, on `genes`; 0 for other sets.

        In the unit of the effects that were fitted: neither decoder nor transformer has a part.
        """
        several = self.composes(members)
        found = self.basis.new_zeros((len(members), len(self.genes)))
        if bool(several.any()):
            sets = members[several]
            whole = self.composed(self._rows(sets)) @ self.basis
            found[several] = whole - self.own_effects(sets)
        return found

    def spread(self, members: Int[Tensor, "B K"]) -> Float[Tensor, "B H"]:
        """Return the standard deviation of the error of `target`, on `genes`.

        Of effects as measured, their sampling error in it. NaN where there was nothing to judge
        errors by: measured singles, sets that are not composed, a run saved without `errors`.
        """
        row = self._rows(members)
        lone = (members >= 0).sum(dim=1) == 1
        judged = self.composes(members) | lone & self.places(members).any(dim=1)
        found = self.basis.new_full((len(members), len(self.genes)), torch.nan)
        if self.errors is not None and bool(judged.any()):
            bars = self.errors(self._members(row[judged]), self.stacked, self.basis)
            found[judged] = bars.to(found.dtype)
        return found

    def align(
        self, jacobian: Float[Tensor, "H D"], own: Float[Tensor, "S H"], ridge: float
    ) -> None:
        """Set the readout from d effect / d shift, and the decoded effects of measured members.

        `ridge` is relative to the mean square of the Jacobian's columns.
        """
        gram = jacobian.T @ jacobian
        scale = ridge * torch.diagonal(gram).mean().clamp_min(1e-12)
        eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        inverse = torch.linalg.solve(gram + scale * eye, jacobian.T)
        self.readout = self.basis @ inverse.T
        self.own = self.own.index_copy(0, self.measured.nonzero().squeeze(1), own @ self.basis.T)

    def _members(self, row: Int[Tensor, "B K"]) -> Members:
        shown, there = row.clamp_min(0), (row >= 0)[..., None]
        effects, priors = self.effects[shown] * there, self.priors[shown] * there
        return Members(effects.double(), priors.double(), row)

    def _rows(self, members: Int[Tensor, "B K"]) -> Int[Tensor, "B K"]:
        return torch.where(members >= 0, self.row[members.clamp_min(0)], -1)


def blank(tensors: Mapping[str, Tensor], latent: int) -> EffectComposition | None:
    """Return a composition with the shapes of a saved one, to be filled; None if there is none."""
    if not tensors:
        return None
    known = Known(*(torch.empty_like(tensors[name]) for name in Known._fields))
    indices = {key.split(".")[2] for key in tensors if key.startswith("stacked.parts.")}
    stacked = None
    if "stacked.weights" in tensors:
        parts = [_blank_part() for _ in indices]
        stacked = StackedComposition(parts, tensors["stacked.weights"].clone())
    errors = None
    if "errors.together" in tensors:
        errors = ErrorBars(Scales(*(tensors[f"errors.{name}"].clone() for name in Scales._fields)))
    trained = tensors["trained"].clone() if "trained" in tensors else None
    module = EffectComposition(known, stacked, latent, False, errors, trained)
    for name, tensor in tensors.items():
        path, _, leaf = name.rpartition(".")
        getattr(module.get_submodule(path), leaf).data = torch.empty_like(tensor)
    return module


def _blank_part() -> Composition:
    effects, priors = (torch.zeros((0, 2, 1), dtype=torch.float64) for _ in range(2))
    anchors = Members(effects, priors, torch.zeros((0, 2), dtype=torch.int64))
    interaction = PairInteraction(PairKernel(1.0), anchors).double()
    return Composition(torch.zeros(1, dtype=torch.float64), interaction)
