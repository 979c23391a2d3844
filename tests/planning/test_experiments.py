from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.planning.experiments import (
    Belief,
    belief_of,
    closeness,
    most_informative,
    most_promising,
    told,
)


def belief(covariance: np.ndarray, noise: float = 0.1, width: int = 2) -> Belief:
    count = len(covariance)
    return Belief(np.zeros((count, width)), covariance, np.ones(width), np.full(count, noise))


def copies() -> np.ndarray:
    """Three near copies of one candidate, two of another, one by itself."""
    groups = np.array([0, 0, 0, 1, 1, 2])
    return np.where(groups[:, None] == groups, 0.99, 0.0) + 0.01 * np.eye(6)


def test_the_batch_takes_one_of_each_group_before_a_copy() -> None:
    chosen = most_informative(belief(copies()), 3)
    assert sorted(np.array([0, 0, 0, 1, 1, 2])[chosen]) == [0, 1, 2]
    assert chosen[0] in {0, 1, 2}  # the largest group tells most
    assert chosen[2] == 5


def test_the_greedy_batch_leaves_less_variance_than_random_ones() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 2))
    apart = ((points[:, None] - points) ** 2).sum(axis=2)
    known = belief(np.exp(-apart / 2))

    def rest(rows: np.ndarray) -> float:
        left = known
        for row in rows:
            left = left.after(int(row))
        return float(np.trace(left.covariance))

    ours = rest(most_informative(known, 5))
    assert ours < min(rest(rng.permutation(40)[:5]) for _ in range(50))


def test_conditioning_is_that_of_a_normal_distribution() -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(5, 5))
    covariance = root @ root.T
    left = belief(covariance, 0.3).after(2).after(4).covariance
    at = [2, 4]
    inner = covariance[np.ix_(at, at)] + 0.3 * np.eye(2)
    cross = covariance[:, at]
    assert left == pytest.approx(covariance - cross @ np.linalg.inv(inner) @ cross.T, abs=1e-6)


def test_without_optimism_the_highest_means_are_chosen() -> None:
    worth = np.array([0.0, 5.0, 2.0, 9.0, 1.0, 3.0])
    chosen = most_promising(belief(copies()), worth, np.ones((6, 2)), 3, rise=0.0)
    assert chosen.tolist() == [3, 1, 5]


def test_optimism_prefers_doubt_but_not_the_same_doubt_twice() -> None:
    covariance = np.array([[1.0, 0.99, 0, 0], [0.99, 1.0, 0, 0], [0, 0, 0.01, 0], [0, 0, 0, 0.01]])
    worth, slope = np.array([0.0, -0.01, 0.5, 0.0]), np.tile([1.0, 0.0], (4, 1))
    known = belief(covariance, 0.01)
    assert most_promising(known, worth, slope, 2, rise=1.0).tolist() == [0, 2]
    assert most_promising(known, worth, slope, 1, rise=0.1).tolist() == [2]


def test_doubt_in_a_direction_that_is_worth_nothing_is_no_reason() -> None:
    known = Belief(np.zeros((2, 2)), np.diag([1.0, 9.0]), np.array([0.0, 1.0]), np.full(2, 0.1))
    worth = np.array([0.1, 0.0])
    along, across = (np.tile(each, (2, 1)) for each in ([0.0, 1.0], [1.0, 0.0]))
    assert most_promising(known, worth, along, 1).tolist() == [1]
    assert most_promising(known, worth, across, 1).tolist() == [0]


def test_closeness_falls_with_the_distance_and_its_slope_is_the_derivative() -> None:
    rng = np.random.default_rng(0)
    effects, goal = rng.normal(size=(3, 4)), rng.normal(size=4)
    worth, slope = closeness(effects, goal, 2.0)
    assert worth == pytest.approx(-np.sqrt(((effects - goal) ** 2).sum(axis=1) + 2))
    step = rng.normal(size=4) * 1e-6
    assert closeness(effects + step, goal, 2.0)[0] - worth == pytest.approx(slope @ step, rel=1e-3)


@pytest.mark.parametrize("n", [0, 7])
def test_more_experiments_than_candidates_are_refused(n: int) -> None:
    with pytest.raises(ConfigError, match="expected 1 to 6"):
        most_informative(belief(copies()), n)
    with pytest.raises(ConfigError, match="expected 1 to 6"):
        most_promising(belief(copies()), np.zeros(6), np.zeros((6, 2)), n)


def test_beliefs_have_the_errors_that_are_expected_and_measuring_removes_them() -> None:
    likeness = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.5]])
    belief = belief_of(likeness, np.array([1.0, 3.0, 2.0]), noise=0.0)
    np.testing.assert_allclose(np.sqrt(np.diagonal(belief.covariance)), [1.0, 3.0, 2.0])
    assert belief.covariance[0, 1] == pytest.approx(0.5 * 1.0 * 3.0)
    shares = told(belief, np.array([1, 2, 0]))
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] == pytest.approx((9 + 0.25 * 1) / 14)
    assert most_informative(belief, 1).tolist() == [1]


def test_what_may_not_be_measured_still_counts_as_what_is_to_be_told() -> None:
    covariance = np.diag([1.0, 1.2, 5.0])
    covariance[0, 2] = covariance[2, 0] = 2.0
    own = belief(covariance)
    assert most_informative(own, 1).tolist() == [2]
    assert most_informative(own, 1, np.array([0, 1])).tolist() == [0]
    with pytest.raises(ConfigError, match="3 experiments of 2 candidates"):
        most_informative(own, 3, np.array([0, 1]))
