from __future__ import annotations

import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpjepa.core.errors import ConfigError, NumericError
from gpjepa.planning import sequence_planners, sequences
from gpjepa.planning.energy import LatentDistance
from gpjepa.planning.population_energy import EnergyDistance, Valued
from gpjepa.planning.sequences import SequencePlan, roll, scored
from gpjepa.planning.transition import Transition

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("rollouts.py"))))
PLENTY = 10_000


@pytest.fixture
def transition():
    return made.make_transition()


def plan_sequences(transition, energy, steps: int, budget: int) -> SequencePlan:
    """Plan with the energy of mean latents as the guess."""
    inner = getattr(energy, "inner", energy)
    goal = getattr(inner, "score", inner).goal
    guess = LatentDistance(goal if goal.ndim == 1 else goal.mean(dim=0))
    return sequences.plan_sequences(transition, energy, guess, steps, budget)


def everything(count: int, steps: int) -> np.ndarray:
    rows = []
    for length in range(1, steps + 1):
        for chosen in itertools.permutations(range(count), length):
            rows.append([*chosen, *[-1] * (steps - length)])
    return np.array(rows)


def test_a_budget_for_all_scores_every_sequence_as_it_rolls_out(transition) -> None:
    goal = made.goal_at(transition, 3, 1)
    found = plan_sequences(transition, goal, 2, PLENTY)
    every = everything(5, 2)
    expected = scored(goal(roll(transition, every)))
    order = np.argsort(expected.energy, kind="stable")
    np.testing.assert_allclose(found.scores.energy, expected.energy[order], rtol=1e-5, atol=1e-6)
    assert {tuple(row) for row in found.sequences.tolist()} == {tuple(row) for row in every}
    assert found.sequences[0].tolist() == [3, 1]
    assert found.evaluations == len(every)


def test_guesses_find_most_sequences_with_few_evaluations(transition) -> None:
    with torch.no_grad():  # states matter little, as in models that were trained
        transition.origin.model.predictor.transformer.split.weight *= 0.1
    pairs = list(itertools.permutations(range(5), 2))
    hits = 0
    for pair in pairs:
        found = plan_sequences(transition, made.goal_at(transition, *pair), 2, 5 + 6)
        hits += tuple(found.sequences[0]) == pair
    assert hits >= 0.9 * len(pairs)  # drawn at random, six of twenty would hit .3


def test_one_step_is_planning_of_single_perturbations(transition) -> None:
    goal = made.goal_at(transition, 2, 1)
    found = plan_sequences(transition, goal, 1, PLENTY)
    states = transition(transition.origin.start.expand(5, -1, -1), np.arange(5), 0)
    expected = goal(states).energy.numpy()
    np.testing.assert_array_equal(found.sequences[:, 0], np.argsort(expected))
    np.testing.assert_allclose(found.scores.energy, np.sort(expected), rtol=1e-5)


@pytest.mark.parametrize("budget", [5, 6, 11, 17, 40])
def test_the_budget_is_kept_and_the_trace_counts_it(transition, budget) -> None:
    found = plan_sequences(transition, made.goal_at(transition, 0, 1, 2), 3, budget)
    assert found.evaluations == len(found.sequences) <= budget
    assert found.trace[-1].evaluations == found.evaluations
    best = [point.energy for point in found.trace]
    assert best == sorted(best, reverse=True)
    assert best[-1] == pytest.approx(found.scores.energy[0])


def test_the_same_seed_gives_the_same_plan_and_another_another(transition) -> None:
    goal = made.goal_at(transition, 3, 1)
    one, again = (plan_sequences(made.make_transition(), goal, 2, 20) for _ in range(2))
    np.testing.assert_array_equal(one.sequences, again.sequences)
    np.testing.assert_array_equal(one.scores.energy, again.scores.energy)
    other = plan_sequences(made.make_transition(seed=1), goal, 2, 20)
    assert not np.array_equal(one.scores.energy, other.scores.energy)


def test_a_perturbation_in_place_is_not_applied_again() -> None:
    base = made.make_transition()
    pairs = torch.tensor([[0, 1], [1, 2], [2, 3], [4, -1]])
    transition = Transition(base.origin, pairs, 0)
    found = plan_sequences(transition, made.goal_at(base, 0), 3, PLENTY)
    used = {tuple(row) for row in found.sequences.tolist() if row[1] >= 0}
    assert (0, 1, -1) not in used
    assert {(0, 2, -1), (0, 2, 3), (1, 3, -1)} <= used
    assert all(len(set(row) - {-1}) == (np.array(row) >= 0).sum() for row in used)


def test_only_the_kept_sequences_are_extended(transition, monkeypatch) -> None:
    monkeypatch.setattr(sequence_planners, "KEPT", 2)
    found = plan_sequences(transition, made.goal_at(transition, 3, 1), 2, PLENTY)
    single = found.sequences[found.sequences[:, 1] < 0][:, 0]
    longer = found.sequences[found.sequences[:, 1] >= 0]
    assert set(longer[:, 0]) == set(single[:2])
    assert len(longer) == 8


def test_errors_shrink_with_the_cells_and_are_those_over_seeds() -> None:
    def first(cells: int, seed: int):
        origin = made.make_origin(cells=cells)
        rng = torch.Generator().manual_seed(seed)
        object.__setattr__(
            origin.controls, "state", torch.randn(origin.controls.state.shape, generator=rng)
        )
        transition = made.make_transition(seed, origin)
        goal = EnergyDistance(torch.full((8, made.LATENT), 2.0) + torch.randn(8, 1, generator=GOAL))
        found = plan_sequences(transition, goal, 1, 5)
        at = int(np.flatnonzero(found.sequences[:, 0] == 0)[0])
        return found.scores.energy[at], found.scores.error[at]

    def runs(cells: int) -> np.ndarray:
        GOAL.manual_seed(0)
        rows = []
        for seed in range(40):
            GOAL.manual_seed(0)
            rows.append(first(cells, seed))
        return np.array(rows)

    GOAL = torch.Generator()
    few, many = runs(40), runs(160)
    assert few[:, 1].mean() / many[:, 1].mean() == pytest.approx(2.0, rel=0.2)
    assert few[:, 0].std() == pytest.approx(few[:, 1].mean(), rel=0.4)


class Broken:
    """An energy that is not finite for some populations."""

    def __init__(self, inner, broken: int | None) -> None:
        self.inner, self.broken = inner, broken

    def __call__(self, cells: torch.Tensor) -> Valued:
        energy, influence = self.inner(cells)
        energy = energy.clone()
        if self.broken is None:
            energy[:] = torch.nan
        elif len(energy) == made.ACTIONS:
            energy[self.broken] = torch.inf
        return Valued(energy, influence)


def test_energies_that_are_not_finite_are_named_and_left_out(transition) -> None:
    goal = Broken(made.goal_at(transition, 3, 1), 3)
    found = plan_sequences(transition, goal, 2, 9)
    assert found.excluded.tolist() == [[3, -1]]
    assert np.isfinite(found.scores.energy).all()
    assert found.evaluations == 9
    assert (found.sequences[:, 0] != 3).all()
    with pytest.raises(NumericError, match="all 5 sequences is not finite"):
        plan_sequences(transition, Broken(made.goal_at(transition, 3), None), 2, 9)


@pytest.mark.parametrize(
    ("steps", "budget", "message"),
    [
        (0, 10, "steps is 0; expected 1 or more"),
        (6, 10, "steps is 6 with 5 candidates"),
        (2, 4, "budget is 4 evaluations; expected at least 5"),
    ],
)
def test_what_cannot_be_planned_is_refused(transition, steps, budget, message) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_sequences(transition, made.goal_at(transition, 0), steps, budget)


def test_no_candidates_are_refused() -> None:
    base = made.make_transition()
    empty = Transition(base.origin, torch.zeros((0, 1), dtype=torch.long), 0)
    with pytest.raises(ConfigError, match="no candidates"):
        plan_sequences(empty, made.goal_at(base, 0), 1, 10)


def test_sequences_of_several_lengths_roll_out_together(transition) -> None:
    found = roll(transition, np.array([[2, 0], [2, -1], [-1, -1]]))
    once = transition(transition.origin.start[None], np.array([2]), 0)
    twice = transition(once, np.array([0]), 1)
    torch.testing.assert_close(found[0], twice[0])
    torch.testing.assert_close(found[1], once[0])
    torch.testing.assert_close(found[2], transition.origin.start)
