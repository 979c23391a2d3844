"""Bootstrap intervals cover the mean of the perturbations that were not drawn."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.bootstrap import bootstrap_mean, bootstrap_means


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
