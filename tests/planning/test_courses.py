import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.planning.courses import Courses, free
from gpjepa.planning.space import Space

NAMES = ("A", "B", "C", "D")
SINGLES = np.arange(4)[:, None]


def test_a_perturbation_is_applied_once() -> None:
    pairs = np.array([[0, 1], [1, 2], [3, -1]])
    courses = free(pairs, 3)
    rows = np.array([[0, 1, -1], [0, 2, -1], [2, 1, -1], [2, 2, -1]])
    assert courses.grows(rows).tolist() == [False, True, True, False]


def test_forbidden_pairs_are_apart_whatever_is_between_them() -> None:
    courses = Courses(SINGLES, 3, Space(NAMES, 3, apart=frozenset({(0, 2)})))
    rows = np.array([[0, 2, -1], [0, 1, 2], [2, 1, 0], [0, 1, 3]])
    assert courses.allows(rows).tolist() == [False, False, False, True]


def test_required_perturbations_come_at_some_step() -> None:
    courses = Courses(SINGLES, 2, Space(NAMES, 2, required=(3,)))
    rows = np.array([[0, -1], [0, 1], [0, 3], [3, 0], [3, -1]])
    assert courses.grows(rows).tolist() == [True, False, True, True, True]
    assert courses.allows(rows).tolist() == [False, False, True, True, True]


def test_costs_add_up_over_steps() -> None:
    cost = np.array([1.0, 2.0, 4.0, 0.5])
    courses = Courses(SINGLES, 3, Space(NAMES, 3, cost=cost, most_cost=5.0))
    rows = np.array([[0, 2, -1], [1, 2, -1], [0, 1, 3]])
    assert courses.totals(rows).tolist() == [5.0, 6.0, 3.5]
    assert courses.allows(rows).tolist() == [True, False, True]


def test_all_longer_sequences_are_those_that_constraints_leave() -> None:
    courses = Courses(SINGLES, 2, Space(NAMES, 2, apart=frozenset({(0, 1)})))
    alone = courses.longer(np.zeros((1, 0), dtype=np.int64))
    assert alone[:, 0].tolist() == [0, 1, 2, 3]
    longer = courses.longer(alone)
    assert len(longer) == 4 * 3 - 2
    assert courses.most == 4 + 12


@pytest.mark.parametrize(("steps", "message"), [(0, "steps is 0"), (5, "steps is 5 with 4")])
def test_what_cannot_be_is_refused(steps, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Courses(SINGLES, steps, Space(NAMES, 4))
