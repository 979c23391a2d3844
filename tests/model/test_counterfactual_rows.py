from __future__ import annotations

import pytest
import torch

pytest.importorskip("numba")

from gpjepa.model.abduction import RULE
from gpjepa.model.counterfactual_rows import by_rows
from gpjepa.model.decoded import DecodedCounts
from gpjepa.model.sparse_counts import sparse_of

CELLS, GENES, WIDTH = 200, 100, 5


def made(rest: int) -> tuple[DecodedCounts, DecodedCounts]:
    """Return counts of cells before and after a change of their states."""
    random = torch.Generator().manual_seed(3)
    weight = torch.randn((GENES + rest, WIDTH), generator=random)
    bias, theta = (
        torch.randn(GENES + rest, generator=random),
        torch.rand(GENES, generator=random) * 3 + 0.2,
    )
    library = torch.rand(CELLS, generator=random) * 300 + 50
    state = torch.randn((CELLS, WIDTH), generator=random)
    moved = state + 0.5 * torch.randn(WIDTH, generator=random)
    return (
        DecodedCounts(state, weight, bias, library, theta),
        DecodedCounts(
            moved, weight, bias + 0.1 * torch.arange(GENES + rest) / GENES, library, theta
        ),
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rest", [0, 1])
def test_rates_made_where_they_are_read_give_the_counts_of_those_that_are_given(rest) -> None:
    before, after = made(rest)
    counts = sparse_of(before.sample(generator()))
    known = by_rows(counts, before.plain, after.plain, generator(1), RULE).dense()
    found = by_rows(counts, before, after, generator(1), RULE).dense()
    differ = (found != known).float().mean()  # rounding may part a draw from its twin
    assert float(differ) < 0.002
    assert float((known != counts.dense()).float().mean()) > 0.05


def test_given_and_decoded_rates_go_together() -> None:
    before, after = made(1)
    counts = sparse_of(before.sample(generator()))
    mixed = by_rows(counts, before, after.plain, generator(1), RULE).dense()
    known = by_rows(counts, before.plain, after.plain, generator(1), RULE).dense()
    assert torch.equal(mixed, known)


@pytest.mark.parametrize("threads", [1, 2])
def test_decoded_draws_do_not_depend_on_the_number_of_threads(threads) -> None:
    before, after = made(0)
    counts = sparse_of(before.sample(generator()))
    known = by_rows(counts, before, after, generator(1), RULE).dense()
    number = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = by_rows(counts, *made(0), generator(1), RULE).dense()
    finally:
        torch.set_num_threads(number)
    assert torch.equal(found, known)
