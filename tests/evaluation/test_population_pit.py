"""The PIT of counts: flat for draws from the prediction itself, whatever the counts are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gpjepa.evaluation.contenders import cell_numbers
from gpjepa.evaluation.measured import measure
from gpjepa.evaluation.pair import make_pair
from gpjepa.evaluation.population_pit import count_pit, population_pit_curves


def test_draws_from_the_prediction_are_flat_although_most_counts_are_zero() -> None:
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.1, 30, size=60)
    predicted, observed = (rng.poisson(rate, size=(900, 60)) for _ in range(2))
    np.testing.assert_allclose(count_pit(predicted, observed, 10), 1.0, atol=0.06)


def test_it_is_the_expectation_of_the_randomised_pit() -> None:
    rng = np.random.default_rng(1)
    predicted, observed = rng.poisson(2.0, size=(40, 1)), rng.poisson(3.0, size=(50, 1))
    below = (predicted[:, 0] < observed).mean(1)
    upto = (predicted[:, 0] <= observed).mean(1)
    drawn = below + (upto - below) * rng.random((20_000, 50))
    expected = np.histogram(drawn, bins=10, range=(0, 1))[0] / drawn.size * 10
    np.testing.assert_allclose(count_pit(predicted, observed, 10), expected, atol=0.02)


def test_too_little_spread_heaps_it_at_the_ends_and_a_shift_on_one_side() -> None:
    rng = np.random.default_rng(2)
    wide = stats.nbinom.rvs(2, 2 / (2 + 20.0), size=(800, 20), random_state=rng)
    narrow = rng.poisson(20.0, size=(800, 20))
    density = count_pit(narrow, wide, 10)
    assert min(density[0], density[-1]) > 2
    shifted = count_pit(narrow, narrow + 6, 10)
    assert shifted[-1] > 3
    assert shifted[0] < 0.3


def test_a_count_that_was_never_predicted_falls_at_one_point() -> None:
    np.testing.assert_allclose(count_pit(np.zeros((5, 1)), np.ones((3, 1)), 4), [0, 0, 0, 4])
    assert count_pit(np.ones((5, 1)), np.zeros((3, 1)), 4)[0] == 4


@pytest.fixture(scope="module")
def curves(oracle: Any, observed: Any, train: Any) -> pd.DataFrame:
    pair = make_pair(oracle, observed, train)
    measured = measure(pair, cell_numbers(pair), seed=0)
    return population_pit_curves(pair, measured, np.ones(4, dtype=bool), "ours", 0)


def test_true_cells_and_a_replicate_are_flatter_than_control(curves: pd.DataFrame) -> None:
    unevenness = {
        series: float(np.abs(rows["value"] - 1).mean()) for series, rows in curves.groupby("series")
    }
    assert set(unevenness) == {"ours", "control", "replicate"}
    assert unevenness["ours"] < 0.7 * unevenness["control"]
    assert curves.groupby("series")["value"].mean().to_numpy() == pytest.approx(1.0)
    assert (curves["n"] == 4).all()


def test_nothing_that_responds_draws_nothing(oracle: Any, observed: Any, train: Any) -> None:
    pair = make_pair(oracle, observed, train)
    measured = measure(pair, cell_numbers(pair), seed=0)
    assert population_pit_curves(pair, measured, np.zeros(4, dtype=bool), "ours", 0).empty
