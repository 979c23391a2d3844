from __future__ import annotations

import numpy as np
import pytest

from gpjepa.planning.proposals import Proposal, even, warmed
from gpjepa.planning.sets import sizes
from gpjepa.planning.space import Space


def names(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def test_members_are_drawn_without_replacement_in_proportion() -> None:
    member = np.array([0.5, 0.3, 0.15, 0.05])
    proposal = Proposal(Space(names(4), 2, 2), member, np.ones(1))
    drawn = proposal.draw(40_000, np.random.default_rng(0))
    counts = np.zeros((4, 4))
    np.add.at(counts, (drawn[:, 0], drawn[:, 1]), 1)
    for one in range(4):
        for other in range(one + 1, 4):
            p, q = member[one], member[other]
            wanted = p * q / (1 - p) + q * p / (1 - q)
            assert counts[one, other] / len(drawn) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    "fields",
    [
        {"required": (2,)},
        {"apart": frozenset({(0, 1), (0, 2), (3, 4)})},
        {"cost": np.arange(8.0), "most_cost": 9.0},
        {"required": (5,), "apart": frozenset({(1, 5)}), "cost": np.arange(8.0), "most_cost": 11.0},
    ],
)
def test_constraints_are_kept_by_construction(fields) -> None:
    space = Space(names(8), 3, **fields)
    drawn = even(space).draw(500, np.random.default_rng(0))
    assert space.allows(drawn).all()
    assert len(drawn) > 450


def test_elites_draw_the_probabilities_towards_them_but_none_to_nothing() -> None:
    space = Space(names(6), 2)
    moved = even(space).moved(np.array([[0, 1], [0, 2]]), smoothing=0.25, least=0.1)
    np.testing.assert_allclose(moved.member.sum(), 1)
    assert moved.member[0] > moved.member[1] > moved.member[3] > 0.1 / 6 * 0.9
    assert moved.size[1] > moved.size[0] > 0


def test_a_warm_start_favours_members_of_low_energy() -> None:
    proposal = warmed(Space(names(5), 2), np.array([3.0, 1.0, np.inf, 2.0, 5.0]), 0.4)
    assert np.argsort(-proposal.member, kind="stable").tolist() == [1, 3, 0, 4, 2]
    assert (proposal.member > 0).all()


def test_sizes_are_drawn_by_their_probability() -> None:
    proposal = Proposal(Space(names(9), 3), np.full(9, 1 / 9), np.array([0.2, 0.0, 0.8]))
    count = np.bincount(sizes(proposal.draw(5000, np.random.default_rng(0))), minlength=4) / 5000
    np.testing.assert_allclose(count, [0, 0.2, 0, 0.8], atol=0.03)
