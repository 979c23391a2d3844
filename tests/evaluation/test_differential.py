"""False discovery rate against scipy, and the agreement of calls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gpjepa.evaluation import differential


def test_adjusted_p_values_equal_scipy() -> None:
    pvalues = np.random.default_rng(6).uniform(size=(3, 50)) ** 2
    for row, adjusted in zip(pvalues, differential.benjamini_hochberg(pvalues), strict=True):
        np.testing.assert_allclose(adjusted, stats.false_discovery_control(row))


def test_calls_by_hand() -> None:
    truth = np.array([[1, 1, 1, 0, 0]] * 3 + [[0] * 5], dtype=bool)
    calls = np.array([[1, 1, 0, 1, 0], [0] * 5, [1, 1, 1, 0, 0], [1] * 5], dtype=bool)
    np.testing.assert_allclose(differential.precision(calls, truth), [2 / 3, 0, 1, np.nan])
    np.testing.assert_allclose(differential.recall(calls, truth), [2 / 3, 0, 1, np.nan])


def test_direction_counts_significant_genes_and_no_direction_as_one_half() -> None:
    observed = np.array([[1.0, -2.0, 3.0, -4.0]])
    predicted = np.array([[2.0, 2.0, 0.0, -1.0]])
    significant = np.array([[True, True, True, False]])
    value = differential.direction_agreement(predicted, observed, significant)
    assert value[0] == pytest.approx(0.5)
    assert np.isnan(
        differential.direction_agreement(predicted, observed, np.zeros((1, 4), dtype=bool))
    ).all()
