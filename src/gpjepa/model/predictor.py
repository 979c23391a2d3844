"""The world model's step g_φ: cell state and perturbation to the perturbed state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gpjepa.model.attention import AttentionBlock
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.perturbation import Condition, ConditionEncoder

LOG_VARIANCE_LIMIT = 6.0
LEAST_BELIEF = 1e-3


@dataclass(frozen=True)
class Prediction:
    """Gaussian over the perturbed latent, mean split by order of interaction.

    mean = z_b + first_order + second_order; all [B, D].
    """

    mean: Float[Tensor, "B D"]
    log_variance: Float[Tensor, "B D"]
    first_order: Float[Tensor, "B D"]
    second_order: Float[Tensor, "B D"]

    @property
    def start(self) -> Float[Tensor, "B D"]:
        """Return z_b, the state of the control cell that the prediction departs from."""
        return self.mean - self.first_order - self.second_order

    def rows(self, index: Int[Tensor, " N"]) -> Prediction:
        """Return the predictions of the cells at `index`."""
        return Prediction(
            self.mean[index],
            self.log_variance[index],
            self.first_order[index],
            self.second_order[index],
        )

    def without_pairs(self) -> Prediction:
        """Return the same Gaussian with its mean moved back by the pair shifts Δ₂."""
        none = torch.zeros_like(self.second_order)
        return Prediction(self.mean - self.second_order, self.log_variance, self.first_order, none)


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Put the predictions of some cells after each other."""
    if len(parts) == 1:
        return parts[0]
    return Prediction(
        *(torch.cat([getattr(part, each.name) for part in parts]) for each in fields(Prediction))
    )


class ConditionalTransformer(nn.Module):
    """Cell tokens and condition tokens in joint self-attention.

    Returns the first-order shift, the pair shift (zero at initialisation) and the log-variance.
    """

    def __init__(self, latent: int, width: int, cell_tokens: int, layers: int, heads: int) -> None:
        super().__init__()
        self.cell_tokens = cell_tokens
        self.split = nn.Linear(latent, cell_tokens * width)
        self.position = nn.Parameter(torch.randn(cell_tokens, width) * 0.1)
        self.blocks = nn.ModuleList([AttentionBlock(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(cell_tokens * width, latent)
        self.second = nn.Linear(cell_tokens * width, latent)
        self.log_variance = nn.Linear(cell_tokens * width, latent)
        with torch.no_grad():
            for layer, scale in ((self.first, 0.1), (self.second, 0.0), (self.log_variance, 0.1)):
                layer.weight.mul_(scale)
                layer.bias.zero_()

    def forward(
        self,
        state: Float[Tensor, "B D"],
        tokens: Float[Tensor, "B T W"],
        present: Bool[Tensor, "B T"],
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        """Run the transformer on each state under its condition tokens."""
        rows = state.shape[0]
        cell = self.split(state).view(rows, self.cell_tokens, -1) + self.position
        x = torch.cat((cell, tokens), dim=1)
        always = present.new_ones((rows, self.cell_tokens))
        mask = torch.cat((always, present), dim=1)
        for number, block in enumerate(self.blocks, 1):
            # of the last, only the cell's tokens are read
            x = block(x, mask, self.cell_tokens if number == len(self.blocks) else None)
        read = self.norm(x[:, : self.cell_tokens]).flatten(1)
        spread = LOG_VARIANCE_LIMIT * torch.tanh(self.log_variance(read) / LOG_VARIANCE_LIMIT)
        return self.first(read), self.second(read), spread


class Predictor(nn.Module):
    """z_b + Σᵢ Δ₁(z_b, pᵢ) + Σᵢ<ⱼ Δ₂(z_b, {pᵢ, pⱼ}); the log-variance sees the whole set.

    The order of a set cannot matter: members carry no position. With `form="free"` the mean is
    z_b + the first-order output of one run on the whole set; with `form="additive"` Δ₂ is 0.
    With a `composition` (`form="composed"`) what members do together beyond their sum comes from
    it, and so do the shifts of members without training cells.
    """

    def __init__(
        self,
        latent: int,
        width: int,
        cell_tokens: int,
        layers: int,
        heads: int,
        form: Literal["composed", "decomposed", "additive", "free"] = "decomposed",
        composition: EffectComposition | None = None,
    ) -> None:
        super().__init__()
        self.form = form
        self.composition = composition
        self.transformer = ConditionalTransformer(latent, width, cell_tokens, layers, heads)

    def forward(
        self,
        state: Float[Tensor, "B D"],
        condition: Condition,
        encoder: ConditionEncoder,
        hidden: Bool[Tensor, " M"] | None = None,
    ) -> Prediction:
        """Predict the perturbed latent of each cell; an empty set leaves the mean in place."""
        members = condition.members
        rows, width = members.shape
        flat = encoder.member_tokens(members.clamp_min(0).reshape(-1), hidden)
        tokens = flat.view(rows, width, -1)
        context = encoder.context_tokens(condition)
        trust, doubt = self.trusted(members, encoder)
        runs = _Runs.plan(members >= 0, self.form)
        first, second, spread = self.transformer(
            state.index_select(0, runs.cell),
            torch.cat((tokens, context), dim=1).index_select(0, runs.cell),
            torch.cat((runs.chosen, runs.chosen.new_ones((len(runs.cell), context.shape[1]))), 1),
        )
        weight = torch.where(runs.chosen, trust[runs.cell], 1.0).prod(dim=1, keepdim=True)
        zero = torch.zeros_like(state)
        first_order = zero.index_add(0, runs.cell, first * weight * runs.is_first)
        pair = runs.is_pair * self.learned(torch.where(runs.chosen, members[runs.cell], -1))
        second_order = zero.index_add(0, runs.cell, second * weight * pair)
        if self.composition is not None:
            shifts = self.composition(members)
            composed = shifts.composed.unsqueeze(1)
            first_order = first_order + shifts.alone
            second_order = torch.where(composed, shifts.together, second_order)
        log_variance = zero.index_add(0, runs.cell, spread * runs.is_whole) + doubt
        return Prediction(
            state + first_order + second_order, log_variance, first_order, second_order
        )

    def trusted(
        self, members: Int[Tensor, "B K"], encoder: ConditionEncoder
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B 1"]]:
        """Return a factor on the transformer's shifts for each member, and a log-variance.

        A member that the composition places has none of the transformer's shifts. The
        log-variance is added: a doubted set departs less from the control cell, in its spread as
        in its shift.
        """
        trust, placed = encoder.trust(members), self._placed(members)
        belief = torch.where((members >= 0) & ~placed, trust, 1.0).prod(dim=1, keepdim=True)
        doubt = 2.0 * torch.log(belief.clamp_min(LEAST_BELIEF))
        return torch.where(placed, 0.0, trust), doubt

    def learned(self, sets: Int[Tensor, "N K"]) -> Float[Tensor, "N 1"]:
        """Return 0 for pairs whose shift was learned from nothing, 1 for all other sets.

        `sets` have −1 where there is no member.
        """
        if self.composition is None:
            return sets.new_ones((len(sets), 1), dtype=torch.float32)
        return self.composition.learned(sets).float().unsqueeze(1)

    def _placed(self, members: Int[Tensor, "B K"]) -> Bool[Tensor, "B K"]:
        """Tell which members are shifted by the composition instead of the transformer."""
        if self.composition is None:
            return torch.zeros_like(members, dtype=torch.bool)
        return self.composition.places(members)


@dataclass(frozen=True)
class _Runs:
    """The runs of the transformer that a batch needs: which cell, which members, for what."""

    cell: Int[Tensor, " N"]
    chosen: Bool[Tensor, "N K"]
    is_first: Float[Tensor, "N 1"]
    is_pair: Float[Tensor, "N 1"]
    is_whole: Float[Tensor, "N 1"]

    @staticmethod
    def plan(present: Bool[Tensor, "B K"], form: str) -> _Runs:
        """List single members, pairs and whole sets, each set once however it is used."""
        rows, width = present.shape
        size = present.sum(dim=1)
        if form == "free":
            everyone = torch.arange(rows, device=present.device)
            kind = (size > 0).float().unsqueeze(1)
            return _Runs(everyone, present, kind, torch.zeros_like(kind), torch.ones_like(kind))
        one = torch.eye(width, dtype=torch.bool, device=present.device)
        subsets = [one[i] for i in range(width)]
        subsets += [one[i] | one[j] for i in range(width) for j in range(i + 1, width)]
        cells, chosen = [], []
        for subset in subsets:
            having = torch.nonzero((present | ~subset).all(dim=1)).squeeze(1)
            cells.append(having)
            chosen.append(subset.expand(len(having), width))
        rest = torch.nonzero((size == 0) | (size > 2)).squeeze(1)
        cells.append(rest)
        chosen.append(present[rest])
        cell, picked = torch.cat(cells), torch.cat(chosen)
        members = picked.sum(dim=1)
        pair = (members == 2) & (form != "additive")
        kinds = (members == 1, pair, members == size[cell])
        return _Runs(cell, picked, *(kind.float().unsqueeze(1) for kind in kinds))
