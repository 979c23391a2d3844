"""A metric's direction decides losses and which of two values is better."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.interaction_metrics import INTERACTION_METRICS
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.population_skill import POPULATION_SKILL_METRICS
from gpjepa.evaluation.request import BAR_METRICS

UP = Metric("up", 1.0, -1.0, "higher", "")
DOWN = Metric("down", 0.0, np.inf, "lower", "")
ONE = Metric("one", 1.0, np.inf, "target", "")


def test_losses_fall_towards_the_best_value() -> None:
    np.testing.assert_array_equal(UP.loss([0.2, 1.0]), [-0.2, -1.0])
    np.testing.assert_array_equal(DOWN.loss([0.2, 1.0]), [0.2, 1.0])
    np.testing.assert_array_equal(ONE.loss([0.5, 1.0, 1.5]), [0.5, 0.0, 0.5])


@pytest.mark.parametrize("metric", [UP, DOWN, ONE])
def test_a_nan_loses_against_everything(metric: Metric) -> None:
    assert metric.loss(np.nan) == metric.loss(metric.worst)
    assert metric.better(np.array([np.nan]), np.array([0.9]))[0] == 0.9


def test_the_better_value_is_the_one_with_the_smaller_loss() -> None:
    np.testing.assert_array_equal(UP.better(np.array([0.1, 0.9]), np.array([0.5, 0.2])), [0.5, 0.9])
    np.testing.assert_array_equal(
        ONE.better(np.array([1.4, 0.2]), np.array([0.9, 1.1])), [0.9, 1.1]
    )


@pytest.mark.parametrize(
    "metric",
    [
        *EFFECT_METRICS,
        *INTERACTION_METRICS,
        *GENERATIVE_METRICS,
        *POPULATION_SKILL_METRICS,
        *BAR_METRICS,
    ],
    ids=lambda metric: metric.name,
)
def test_no_value_is_worse_than_the_worst_or_better_than_the_best(metric: Metric) -> None:
    assert metric.loss(metric.best) < metric.loss(metric.worst)
    assert metric.what


def test_names_of_metrics_are_unique() -> None:
    names = [m.name for m in (*EFFECT_METRICS, *GENERATIVE_METRICS, *BAR_METRICS)]
    assert len(set(names)) == len(names)
