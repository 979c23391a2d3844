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
    known = by_rows(counts, before.plain, [after.plain], [generator(1)], RULE)[0].dense()
    found = by_rows(counts, before, [after], [generator(1)], RULE)[0].dense()
    differ = (found != known).float().mean()  # rounding may part a draw from its twin
    assert float(differ) < 0.002
    assert float((known != counts.dense()).float().mean()) > 0.05


def test_given_and_decoded_rates_go_together() -> None:
    before, after = made(1)
    counts = sparse_of(before.sample(generator()))
    mixed = by_rows(counts, before, [after.plain], [generator(1)], RULE)[0].dense()
    known = by_rows(counts, before.plain, [after.plain], [generator(1)], RULE)[0].dense()
    assert torch.equal(mixed, known)


@pytest.mark.parametrize("threads", [1, 2])
def test_decoded_draws_do_not_depend_on_the_number_of_threads(threads) -> None:
    before, after = made(0)
    counts = sparse_of(before.sample(generator()))
    known = by_rows(counts, before, [after], [generator(1)], RULE)[0].dense()
    before, after = made(0)  # nothing is known of them yet
    number = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = by_rows(counts, before, [after], [generator(1)], RULE)[0].dense()
    finally:
        torch.set_num_threads(number)
    assert torch.equal(found, known)


@pytest.mark.parametrize("known", [False, True])
def test_several_changes_at_once_are_those_one_by_one(known) -> None:
    before, after = made(1)
    other = DecodedCounts(
        before.state + 0.3, before.weight, after.bias, before.library, before.dispersion
    )
    counts = sparse_of(before.sample(generator()))
    given = [after.plain, other.plain] if known else [after, other]
    both = by_rows(counts, before, given, [generator(1), generator(2)], RULE)
    for seed, each, found in zip((1, 2), given, both, strict=True):
        alone = by_rows(counts, before, [each], [generator(seed)], RULE)[0]
        assert torch.equal(found.dense(), alone.dense())
    assert not torch.equal(both[0].dense(), both[1].dense())
