from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.benchmark import planning_goals
from gpjepa.benchmark.held_out import trained
from gpjepa.data.labels import members_of
from gpjepa.data.perturbseq import read


@pytest.fixture(scope="module")
def fitted(tiny):
    data = read(tiny.make_cells(), announce=False)
    split = tiny.make_split(data)
    return trained(data, split, tiny.make_config(), 0, "cpu"), data, split


@pytest.fixture(scope="module")
def world(fitted):
    return planning_goals.world_of(fitted[0], 0)


def test_candidates_are_the_measured_singles(world, fitted) -> None:
    model, data, _ = fitted
    members = {name for label in data.perturbations for name in members_of(label)}
    assert set(world.names) <= members
    index = model.bundle.vocabulary.index_of
    np.testing.assert_array_equal(world.members, [index(name) for name in world.names])


def test_the_best_of_all_sets_is_the_one_of_lowest_energy(world) -> None:
    landscape = world.landscape(2)
    goal = planning_goals.LatentGoal(landscape.latents[-1] + 0.01)
    objective = world.objective(goal)
    best = landscape.best(objective)
    energy = objective(landscape.sets).energy
    assert best.energy == pytest.approx(energy.min(), abs=1e-6)
    np.testing.assert_array_equal(best.members, landscape.sets[energy.argmin()])


def test_objectives_share_shifts_but_not_what_they_guess(world) -> None:
    goal = planning_goals.LatentGoal(torch.zeros_like(world.shifts.start))
    one, other = world.objective(goal), world.objective(goal)
    assert one.shifts is other.shifts
    singles = world.landscape(1).sets
    one(singles)
    assert np.isfinite(one.guess(singles)).all()
    assert other.guess(singles) is None


def test_half_of_the_goals_are_cells_and_half_are_drawn(world, fitted) -> None:
    model, data, split = fitted
    goals = planning_goals.goals_of(world, model, data, split.test, 6, 0)
    kinds = [each.kind for each in goals]
    assert kinds == [planning_goals.DOUBLES] * 3 + [planning_goals.RANDOM] * 3
    again = planning_goals.goals_of(world, model, data, split.test, 6, 0)
    for one, other in zip(goals, again, strict=True):
        torch.testing.assert_close(one.goal.mean, other.goal.mean)
    apart = torch.stack([each.goal.mean for each in goals])
    assert len(torch.unique(apart, dim=0)) == 6
