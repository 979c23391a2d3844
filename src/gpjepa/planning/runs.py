"""Runs of the conditional transformer on all control cells, each under a set of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gpjepa.planning.origin import Origin

ROWS = 8192  # cell × set rows that are run at once


class Read(NamedTuple):
    """What one run on each cell gives: shifts as a single or pair and the spread, [S, N, D].

    `log_variance` is that of the head's Gaussian where the set is the whole one.
    """

    first: Float[Tensor, "S N D"]
    second: Float[Tensor, "S N D"]
    log_variance: Float[Tensor, "S N D"]


class Runs(Protocol):
    """Reads a set of names for every row, −1 where there is no member, whoever runs it."""

    def __call__(self, origin: Origin, several: Sequence[Int[Tensor, "S K"]]) -> list[Read]:
        """Return what each of several lots of sets gives."""


def run(origin: Origin, several: Sequence[Int[Tensor, "S K"]]) -> list[Read]:
    """Run the transformer once per cell and set of names, −1 where there is no member.

    Shifts carry the trust in their members: a member that the composition places has none of the
    transformer's, a pair that was learned from nothing has no shift. The same numbers as
    `Predictor` sums, without a run for every subset.
    """
    return [
        joined(origin, [read(origin, part) for part in parts(origin, members)])
        for members in several
    ]


def parts(origin: Origin, members: Int[Tensor, "S K"]) -> Sequence[Int[Tensor, "P K"]]:
    """Return sets in the parts that are run at once; none for no sets."""
    return members.split(max(1, ROWS // origin.cells)) if len(members) else ()


def joined(origin: Origin, found: Sequence[Read]) -> Read:
    """Return the reads of parts as one."""
    if not found:
        empty = origin.start.new_zeros((0, *origin.start.shape))
        return Read(empty, empty, empty)
    return Read(*(torch.cat(each) for each in zip(*found, strict=True)))


@torch.no_grad()
def read(origin: Origin, members: Int[Tensor, "S K"]) -> Read:
    """Run the transformer on all cells under each set, all at once."""
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
    factor, doubt = predictor.trusted(members, encoder)
    trust = torch.where(members >= 0, factor, 1.0).prod(dim=1)[:, None, None]
    shape = (sets, cells, -1)
    return Read(
        first.view(shape) * trust,
        second.view(shape) * trust * predictor.learned(members)[:, None],
        spread.view(shape) + doubt[:, None],
    )
