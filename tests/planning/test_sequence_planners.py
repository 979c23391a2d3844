import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.planning.courses import Courses
from gpjepa.planning.energy import LatentDistance
from gpjepa.planning.sequence_planners import NAMES, drawn_by, sequence_planner
from gpjepa.planning.sequences import plan_sequences
from gpjepa.planning.space import Space

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("rollouts.py"))))
SINGLES = np.arange(5)[:, None]


def found(planner: str, budget: int, courses: Courses | None = None, steps: int = 3):
    transition = made.make_transition()
    goal = made.goal_at(transition, 3, 1, 4)
    guess = LatentDistance(goal.score.goal)
    return plan_sequences(transition, goal, guess, steps, budget, planner=planner, courses=courses)


def test_all_planners_keep_the_budget_and_repeat_themselves() -> None:
    for name in NAMES:
        budget = 85 if name == "exhaustive" else 30
        one, again = found(name, budget), found(name, budget)
        assert one.evaluations <= budget
        np.testing.assert_array_equal(one.sequences, again.sequences)
        np.testing.assert_array_equal(one.scores.energy, again.scores.energy)


def test_the_exhaustive_search_and_cem_with_budget_find_the_sequence_that_made_the_goal() -> None:
    assert found("exhaustive", 85).sequences[0].tolist() == [3, 1, 4]
    assert found("cem", 85).sequences[0].tolist() == [3, 1, 4]
    with pytest.raises(ConfigError, match="up to 85 sequences and the budget is 84"):
        found("exhaustive", 84)


def test_greedy_extends_the_best_action_alone() -> None:
    own = found("greedy", 85)
    singles = own.sequences[(own.sequences >= 0).sum(axis=1) == 1]
    longer = own.sequences[(own.sequences >= 0).sum(axis=1) > 1]
    assert set(longer[:, 0]) == {singles[0, 0]}


@pytest.mark.parametrize("name", NAMES)
def test_every_planner_keeps_to_the_constraints(name) -> None:
    cost = np.array([1.0, 1.0, 1.0, 1.0, 3.0])
    space = Space(
        tuple("ABCDE"), 2, required=(2,), apart=frozenset({(2, 3)}), cost=cost, most_cost=3.0
    )
    courses = Courses(SINGLES, 2, space)
    own = found(name, 60, courses, steps=2)
    applied = [set(row) - {-1} for row in own.sequences.tolist()]
    assert all(2 in each and 3 not in each and 4 not in each for each in applied)
    assert {2, 0} in applied or name == "greedy"


def test_draws_are_answers_and_follow_their_weights() -> None:
    courses = Courses(SINGLES, 2, Space(tuple("ABCDE"), 2, apart=frozenset({(0, 1)})))
    weight = np.full((2, 5), 1.0)
    weight[0, 3] = 50.0
    rows = drawn_by(courses, weight, np.array([0.2, 0.8]), 400, np.random.default_rng(0))
    assert courses.allows(rows).all()
    assert (rows[:, 0] == 3).mean() > 0.85
    assert (rows[:, 1] >= 0).mean() == pytest.approx(0.8, abs=0.08)


def test_an_unknown_planner_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="planner 'beem' is not known"):
        sequence_planner("beem")
