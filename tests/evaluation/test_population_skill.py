"""Median skills: 0 for resampled control, 1 for a replicate, only where there is a response."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gpjepa.evaluation.bounds import Bounds
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.population_skill import (
    JUDGED,
    population_skill_rows,
    population_skills,
)

NAMES = [metric.name for metric in GENERATIVE_METRICS]


def _bounds(perturbations: int) -> Bounds:
    """Return bounds where every control scores .5 away from the best and a replicate .1."""
    best = np.array([metric.best for metric in GENERATIVE_METRICS])[:, None]
    sign = np.where([metric.kind == "higher" for metric in GENERATIVE_METRICS], -1, 1)[:, None]
    away = np.ones((len(NAMES), perturbations))
    floor, ceiling = best + 0.5 * sign * away, best + 0.1 * sign * away
    loss = np.where(sign < 0, -ceiling, ceiling)
    return Bounds(floor, ceiling, ceiling, ceiling, loss)


def test_control_scores_nothing_and_a_replicate_one() -> None:
    bounds = _bounds(3)
    np.testing.assert_allclose(population_skills(bounds.floor, bounds), 0.0, atol=1e-12)
    np.testing.assert_allclose(population_skills(bounds.ceiling, bounds), 1.0)


def test_medians_are_over_what_responds_and_both_predict() -> None:
    bounds = _bounds(5)
    share = np.array([0.2, 0.4, 0.9, -3.0, np.nan])
    values = bounds.floor + share * (bounds.ceiling - bounds.floor)
    responds = np.array([True, True, True, False, True])
    applies = {"ours": np.ones(5, dtype=bool), "sum": np.array([True, False, True, True, True])}
    table = population_skill_rows(
        {"ours": values, "sum": bounds.floor}, applies, bounds, responds, "ours", 0
    )
    energy = table[table["metric"] == "population_skill_energy_distance"].set_index("model")
    assert energy.loc["ours", "value"] == pytest.approx(0.4)
    assert energy.loc["ours", ["n", "undefined"]].tolist() == [3, 1]
    assert energy.loc["sum", "value"] == pytest.approx(0.0, abs=1e-12)
    assert energy.loc["ours \N{MINUS SIGN} sum", "value"] == pytest.approx((0.2 + 0.9) / 2)
    assert energy.loc["ours \N{MINUS SIGN} sum", "n"] == 2
    assert energy.loc["ours", ["floor", "ceiling"]].tolist() == [0.0, 1.0]


def test_a_prediction_that_failed_drags_the_median_and_never_raises_it() -> None:
    bounds = _bounds(3)
    values = bounds.ceiling.copy()
    values[:, :2] = np.array([metric.worst for metric in GENERATIVE_METRICS])[:, None]
    table = population_skill_rows(
        {"ours": values},
        {"ours": np.ones(3, dtype=bool)},
        bounds,
        np.ones(3, dtype=bool),
        "ours",
        0,
    )
    rows = table.set_index("metric")["value"]
    assert rows["population_skill_energy_distance"] == -np.inf
    assert (rows < 0).all()


def test_nothing_that_responds_is_an_empty_median() -> None:
    bounds = _bounds(2)
    none = np.zeros(2, dtype=bool)
    table = population_skill_rows({"ours": bounds.floor}, {"ours": ~none}, bounds, none, "ours", 0)
    assert table["value"].isna().all()
    assert (table["n"] == 0).all()


@pytest.fixture(scope="module")
def table(oracle: Any, observed: Any, train: Any) -> pd.DataFrame:
    report = evaluate(
        oracle, observed, train=train, metrics=[f"population_skill_{n}" for n in JUDGED]
    )
    assert "skill" in report.table
    return report.table


def test_true_cells_score_near_a_replicate_beside_every_baseline(table: pd.DataFrame) -> None:
    energy = table[table["metric"] == "population_skill_energy_distance"].set_index("model")
    assert energy.loc["gpjepa", "value"] == pytest.approx(1.0, abs=0.25)
    assert abs(energy.loc["no change", "value"]) < 0.1
    assert {"additive", "training mean", "strong"} <= set(energy.index)
    assert set(table["metric"]) == {f"population_skill_{name}" for name in JUDGED}
