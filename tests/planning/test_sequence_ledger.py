import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gpjepa.planning.sequence_ledger as ledgers
from gpjepa.core.errors import ConfigError
from gpjepa.planning.courses import Courses, free
from gpjepa.planning.energy import LatentDistance
from gpjepa.planning.sequence_ledger import SequenceLedger
from gpjepa.planning.sequences import roll, scored
from gpjepa.planning.space import Space

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("rollouts.py"))))


def ledger(budget: int = 100, courses: Courses | None = None, **settings) -> SequenceLedger:
    transition = made.make_transition()
    goal = made.goal_at(transition, 3, 1)
    courses = courses or free(np.arange(5)[:, None], 3)
    guess = LatentDistance(goal.score.goal)
    return SequenceLedger(transition, goal, guess, courses, budget, **settings)


def test_a_sequence_costs_its_steps_and_what_was_scored_costs_nothing() -> None:
    own = ledger()
    own.score(np.array([[2, 0, 1]]), "here")
    assert own.spent == 3
    energy = own.score(np.array([[2, 0, -1], [2, 0, 4], [2, 0, 1]]), "here")
    assert own.spent == 4
    rows = np.array([[2, 0, -1], [2, 0, 4], [2, 0, 1]])
    expected = scored(own.energy(roll(own.transition, rows))).energy
    np.testing.assert_allclose(energy, expected, rtol=1e-5)


def test_states_that_were_forgotten_are_run_again_and_paid_for(monkeypatch) -> None:
    monkeypatch.setattr(ledgers, "MEMORY", 4 * made.CELLS * made.LATENT)
    own = ledger()
    rows = np.array([[2, 0, 1], [3, 1, 0], [2, 0, 4]])
    parts = [own.score(row[None], "here")[0] for row in rows]
    expected = scored(own.energy(roll(own.transition, rows))).energy
    np.testing.assert_allclose(parts, expected, rtol=1e-5)
    assert own.spent > len(own._row)


def test_the_budget_is_never_exceeded() -> None:
    own = ledger(budget=7)
    energy = own.score(np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]]), "here")
    assert own.spent == own.budget == 7
    assert np.isinf(energy).any()
    with pytest.raises(ConfigError, match="budget is 4 evaluations; expected at least 5"):
        ledger(budget=4)


def test_guesses_are_exact_where_states_do_not_matter() -> None:
    import torch

    own = ledger()
    with torch.no_grad():
        own.transition.origin.model.predictor.transformer.split.weight.zero_()
    own.score(np.arange(5)[:, None], "step 1")
    rows = np.array([[0, 1, -1], [4, 2, -1], [1, 3, 0]])
    expected = scored(own.energy(roll(own.transition, rows))).energy
    np.testing.assert_allclose(own.guess(rows), expected, atol=0.15)  # of drawn latents
    assert np.corrcoef(own.guess(rows), expected)[0, 1] > 0.9


def test_costs_enter_the_energy_and_answers_keep_to_constraints() -> None:
    cost = np.array([0.0, 0.0, 0.0, 9.0, 0.0])
    space = Space(tuple("ABCDE"), 2, required=(2,), cost=cost)
    courses = Courses(np.arange(5)[:, None], 2, space)
    own, plain = ledger(courses=courses, cost_weight=1.0), ledger(courses=courses)
    rows = np.array([[3, 2], [2, 0]])
    apart = own.score(rows, "here") - plain.score(rows, "here")
    np.testing.assert_allclose(apart, [9.0, 0.0], atol=1e-6)
    answers = {tuple(row) for row in own.ranked()[0].tolist()}
    assert answers == {(3, 2), (2, 0), (2, -1)}
