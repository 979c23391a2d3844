from __future__ import annotations

import pytest
import torch

from gpjepa.core.ranks import Ranks
from gpjepa.model.draws import SharedGenerator, integers, largest, normal, shared_draw, uniform

CPU = torch.device("cpu")


def sources(total: int, size: int):
    """Return the generators of `size` processes that share a batch."""
    for rank in range(size):
        rows = Ranks(rank, size).rows(total)
        yield SharedGenerator(torch.Generator().manual_seed(0), rows, lambda n: max(n, 9)), rows


@pytest.mark.parametrize(("total", "size"), [(20, 2), (21, 2), (7, 3)])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rows, source: uniform((rows, 5), source, CPU),
        lambda rows, source: normal(torch.empty(rows, 5), source),
        lambda rows, source: integers(50, (rows, 4), source, CPU),
    ],
    ids=["uniform", "normal", "integers"],
)
def test_processes_draw_what_one_does_again_and_again(draw, total: int, size: int) -> None:
    alone = torch.Generator().manual_seed(0)
    whole = [draw(total, alone) for _ in range(3)]
    parts = [[draw(r.stop - r.start, s) for _ in range(3)] for s, r in sources(total, size)]
    for number, expected in enumerate(whole):
        assert torch.equal(torch.cat([part[number] for part in parts]), expected)
    assert not torch.equal(whole[0], whole[1])


def test_what_all_rows_share_is_drawn_alike() -> None:
    alone = shared_draw(4, torch.Generator().manual_seed(0), CPU)
    assert all(torch.equal(shared_draw(4, source, CPU), alone) for source, _ in sources(6, 2))


def test_the_largest_number_is_asked_of_all() -> None:
    source, _ = next(iter(sources(6, 2)))
    assert largest(3, source) == 9
    assert largest(3, torch.Generator()) == 3
