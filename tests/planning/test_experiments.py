from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.planning.experiments import Belief, most_informative, most_promising


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


def test_draws_have_the_mean_covariance_and_spread_of_the_belief() -> None:
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    known = Belief(np.ones((2, 2)), covariance, np.array([1.0, 3.0]), np.array([0.5, 0.0]))
    drawn = known.draw(20_000, np.random.default_rng(0))
    assert drawn.mean(axis=0) == pytest.approx(np.ones((2, 2)), abs=1e-9)
    for direction, scale in enumerate((1.0, 9.0)):
        found = np.cov(drawn[:, :, direction].T)
        assert found == pytest.approx(scale * (covariance + np.diag([0.5, 0.0])), rel=0.06)


def test_without_optimism_the_highest_means_are_chosen() -> None:
    drawn = np.random.default_rng(0).normal(size=(50, 6))
    drawn += np.array([0.0, 5.0, 2.0, 9.0, 1.0, 3.0]) - drawn.mean(axis=0)
    assert most_promising(drawn, 3, rise=0.0).tolist() == [3, 1, 5]


def test_optimism_prefers_doubt_but_not_the_same_doubt_twice() -> None:
    rng = np.random.default_rng(0)
    doubt = rng.normal(size=400)
    doubt -= doubt.mean()
    drawn = np.stack([doubt, doubt * 0.99, np.zeros(400) + 0.5, np.zeros(400)], axis=1)
    assert most_promising(drawn, 2, rise=1.0).tolist() == [0, 2]


@pytest.mark.parametrize("n", [0, 7])
def test_more_experiments_than_candidates_are_refused(n: int) -> None:
    with pytest.raises(ConfigError, match="expected 1 to 6"):
        most_informative(belief(copies()), n)
    with pytest.raises(ConfigError, match="expected 1 to 6"):
        most_promising(np.zeros((4, 6)), n)
