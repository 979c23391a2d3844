"""Scores of predicted interactions."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.interaction_metrics import (
    GENE_METRICS,
    PAIR_METRIC,
    gene_scores,
    pair_score,
    resampled_pair_score,
)
from gpjepa.evaluation.interactions import chance_precision, signed_items


def measured() -> tuple[np.ndarray, np.ndarray]:
    value = np.random.default_rng(0).normal(size=(4, 30))
    return value, np.abs(value) > 1.0


def test_the_truth_gets_the_best_of_every_metric():
    value, genes = measured()
    best = [metric.best for metric in GENE_METRICS]
    np.testing.assert_allclose(gene_scores(value, value, genes), np.tile(best, (4, 1)).T)
    pairs = np.linalg.norm(value, axis=1) > np.median(np.linalg.norm(value, axis=1))
    assert pair_score(value, pairs) == PAIR_METRIC.best


def test_no_interaction_gets_zero_and_chance():
    value, genes = measured()
    scores = gene_scores(np.zeros_like(value), value, genes)
    np.testing.assert_array_equal(scores[0], 0.0)
    np.testing.assert_allclose(scores[1], chance_precision(signed_items(value, genes)))


def test_a_nan_is_the_worst_and_no_label_is_undefined():
    value, genes = measured()
    genes[1] = False
    predicted = value.copy()
    predicted[0, 3] = np.nan
    scores = gene_scores(predicted, value, genes)
    assert scores[:, 0].tolist() == [metric.worst for metric in GENE_METRICS]
    assert np.isnan(scores[1]).tolist() == [False, True, False, False]
    assert pair_score(predicted, np.array([True, False, False, False])) == PAIR_METRIC.worst
    assert np.isnan(pair_score(predicted, np.zeros(4, dtype=bool)))


def test_resampling_every_pair_once_is_the_score():
    value, _ = measured()
    pairs = np.array([True, False, True, False])
    once = resampled_pair_score(value, pairs, np.ones((2, 4)))
    np.testing.assert_allclose(once, pair_score(value, pairs))
    spoiled = np.full_like(value, np.nan)
    assert resampled_pair_score(spoiled, pairs, np.ones((2, 4))) == pytest.approx(0.0)
