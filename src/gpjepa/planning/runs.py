"""Runs of the conditional transformer on all control cells, each under a set of its own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.model.predictor import LEAST_BELIEF
from gpjepa.planning.origin import Origin

ROWS = 8192  # cell × set rows that are run at once


class Read(NamedTuple):
    """What one run on each cell gives: shifts as a single or pair and the spread, [S, N, D].

    `log_variance` is that of the head's Gaussian where the set is the whole one.
    """

    first: Float[Tensor, "S N D"]
    second: Float[Tensor, "S N D"]
    log_variance: Float[Tensor, "S N D"]


@torch.no_grad()
def run(origin: Origin, members: Int[Tensor, "S K"]) -> Read:
    """Run the transformer once per cell and set of names, −1 where there is no member.

    Shifts carry the trust in their members: a member that the composition places has none of the
    transformer's. The same numbers as `Predictor` sums, without a run for every subset.
    """
    cells = origin.cells
    if not len(members):
        empty = origin.start.new_zeros((0, *origin.start.shape))
        return Read(empty, empty, empty)
    parts = [_run(origin, part) for part in members.split(max(1, ROWS // cells))]
    return Read(*(torch.cat(each) for each in zip(*parts, strict=True)))


def _run(origin: Origin, members: Int[Tensor, "S K"]) -> Read:
    model, cells, sets = origin.model, origin.cells, len(members)
    encoder, predictor = model.condition, model.predictor
    flat = encoder.member_tokens(members.clamp_min(0).reshape(-1))
    tokens = flat.view(sets, members.shape[1], -1).repeat_interleave(cells, dim=0)
    condition = origin.condition(members)
    context = encoder.context_tokens(condition)
    there = condition.members >= 0
    present = torch.cat((there, there.new_ones((len(there), context.shape[1]))), dim=1)
    state = origin.start.repeat(sets, 1)
    first, second, spread = predictor.transformer(
        state, torch.cat((tokens, context), dim=1), present
    )
    trust, belief = _trusted(origin, members)
    shape = (sets, cells, -1)
    doubt = 2.0 * torch.log(belief.clamp_min(LEAST_BELIEF))
    return Read(
        first.view(shape) * trust[:, None, None],
        second.view(shape) * trust[:, None, None],
        spread.view(shape) + doubt[:, None, None],
    )


def _trusted(
    origin: Origin, members: Int[Tensor, "S K"]
) -> tuple[Float[Tensor, " S"], Float[Tensor, " S"]]:
    """Return the factor on each set's shifts, and the belief that its spread is scaled by."""
    composition, present = origin.model.predictor.composition, members >= 0
    trust = origin.model.condition.trust(members)
    placed = torch.zeros_like(present) if composition is None else composition.places(members)
    shifted = torch.where(placed, 0.0, trust)
    return (
        torch.where(present, shifted, 1.0).prod(dim=1),
        torch.where(present & ~placed, trust, 1.0).prod(dim=1),
    )
