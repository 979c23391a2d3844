"""Bootstrap intervals cover the mean of the perturbations that were not drawn."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.bootstrap import bootstrap_interval, bootstrap_mean, bootstrap_means


def test_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for seed in range(200):
        low, high = bootstrap_mean(rng.normal(3.0, 1.0, size=30), seed, draws=400)
        inside.append(low < 3.0 < high)
    assert np.mean(inside) == pytest.approx(0.94, abs=0.04)


def test_the_same_seed_gives_the_same_interval_and_rows_share_resamples() -> None:
    values = np.random.default_rng(1).normal(size=(2, 12))
    rows = np.stack([values[0], values[1], values[0] + 5.0])
    low, high = bootstrap_means(rows, seed=3)
    assert (low[0], high[0]) == pytest.approx(bootstrap_mean(values[0], seed=3))
    assert low[2] - low[0] == pytest.approx(5.0)


def test_one_perturbation_has_no_interval() -> None:
    assert np.isnan(bootstrap_mean(np.array([0.4]), seed=0)).all()


def test_an_infinite_value_is_not_dropped() -> None:
    low, high = bootstrap_mean(np.array([0.1, np.inf, 0.2]), seed=0)
    assert high == np.inf
    assert low == np.inf


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(2).normal(3.0, 2.0, size=400)
    low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), 400, seed=0)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)
    assert low < values.mean() < high
    assert np.isnan(bootstrap_interval(lambda rows: 1.0, 2, seed=0)).all()
    assert np.isnan(bootstrap_interval(lambda rows: float("nan"), 9, seed=0)).all()


def test_infinite_values_stay_infinite_in_an_interval() -> None:
    values = np.array([-np.inf, -np.inf, -np.inf, 1.0])
    low, _ = bootstrap_interval(lambda rows: float(np.median(values[rows])), 4, seed=0)
    assert low == -np.inf
