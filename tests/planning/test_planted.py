from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gpjepa.planning.planted import planted
from gpjepa.planning.sets import padded


def energies(problem, size: int) -> np.ndarray:
    sets = padded(combinations(range(len(problem.world.first)), size), size)
    return problem.objective()(sets).energy


@pytest.mark.parametrize("hidden", [False, True])
def test_the_planted_set_is_the_best_of_all(hidden) -> None:
    problem = planted(40, 16, 3, 1, hidden=hidden)
    best = min(energies(problem, size).min() for size in (1, 2, 3))
    assert problem.energy == pytest.approx(best, abs=1e-8)


def test_every_member_helps_alone() -> None:
    problem = planted(40, 16, 3, 2)
    nothing = np.abs(problem.goal).mean()
    assert (energies(problem, 1)[list(problem.members)] < nothing).all()


def test_a_hidden_member_helps_with_its_partner_only() -> None:
    problem = planted(40, 16, 3, 2, hidden=True)
    score, members = problem.objective(), problem.members
    alone, nothing = energies(problem, 1), np.abs(problem.goal).mean()
    assert alone[members[-1]] >= nothing
    assert score(np.array([members])).energy[0] < score(np.array([members[:2]])).energy[0]


def test_shifts_are_sums_over_members_and_pairs() -> None:
    world = planted(20, 6, 3, 0, hidden=True).world
    members = (2, 5, 11)
    wanted = world.first[list(members)].sum(axis=0)
    for pair in combinations(members, 2):
        wanted = wanted + (world.load[pair[0]] * world.load[pair[1]]) @ world.mix
    np.testing.assert_allclose(world(np.array([members]))[0], wanted)
    ((pair, shift),) = world.special.items()
    both, one, other = (world(np.array([each])) for each in (pair, pair[:1], pair[1:]))
    low = (world.load[pair[0]] * world.load[pair[1]]) @ world.mix
    np.testing.assert_allclose(both - one - other, [shift + low])


def test_the_same_seed_plants_the_same_problem() -> None:
    one, other, third = planted(20, 6, 2, 4), planted(20, 6, 2, 4), planted(20, 6, 2, 5)
    np.testing.assert_array_equal(one.goal, other.goal)
    assert not np.array_equal(one.goal, third.goal)
