"""Rows of the table: averages, paired differences, and what is left out and counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gpjepa.evaluation.bounds import make_bounds
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.report_table import COLUMNS, AxisScores, tabulate

METRICS = (Metric("up", 1.0, -1.0, "higher", ""), Metric("one", 1.0, np.inf, "target", ""))
LABELS = ("A", "B", "C", "D")
MODEL = np.array([[0.5, 0.6, 0.7, np.nan], [0.5, 1.5, 1.0, 1.0]])
RIVAL = np.array([[0.1, 0.5, 0.4, np.nan], [1.2, 1.0, 1.0, np.nan]])


@pytest.fixture
def table() -> pd.DataFrame:
    replicate = np.tile(np.array([[[0.9], [1.0]]]), (3, 1, 4))
    replicate[:, 0, 1] = [0.0, 0.9, 0.9]
    floor = np.array([[0.1, 0.1, 0.1, np.nan], [0.0, 0.0, 0.0, 0.0]])
    scores = AxisScores(
        "effect",
        METRICS,
        LABELS,
        {"ours": MODEL, "rival": RIVAL},
        {"ours": np.ones(4, dtype=bool), "rival": np.array([True, True, True, False])},
        make_bounds(METRICS, (floor,), replicate),
        np.array([10, 20, 30, 40]),
    )
    return tabulate(scores, "ours", seed=0)


def _row(table: pd.DataFrame, metric: str, perturbation: str, model: str) -> pd.Series:
    rows = table[
        (table.metric == metric) & (table.perturbation == perturbation) & (table.model == model)
    ]
    assert len(rows) == 1
    return rows.iloc[0]


def test_columns_are_those_of_the_contract(table: pd.DataFrame) -> None:
    assert tuple(table.columns) == COLUMNS
    assert COLUMNS[:11] == (
        "axis",
        "metric",
        "perturbation",
        "model",
        "value",
        "low",
        "high",
        "floor",
        "ceiling",
        "skill",
        "n",
    )


def test_a_model_has_no_row_where_it_does_not_apply(table: pd.DataFrame) -> None:
    assert not ((table.model == "rival") & (table.perturbation == "D")).any()
    assert _row(table, "up", "B", "ours").n == 20


def test_averages_are_means_of_perturbations_with_what_was_undefined_counted(
    table: pd.DataFrame,
) -> None:
    row = _row(table, "up", "all", "ours")
    assert row.value == pytest.approx(0.6)
    assert row.n == 3
    assert row.undefined == 1
    assert row.skill == pytest.approx(np.mean([0.5, 0.75]))
    assert row.low <= row.value <= row.high
    assert (row.low, row.high) != (row.value, row.value)


def test_differences_are_paired_over_the_perturbations_that_both_predict(
    table: pd.DataFrame,
) -> None:
    row = _row(table, "up", "all", "ours − rival")
    assert row.value == pytest.approx(np.mean([0.4, 0.1, 0.3]))
    assert row.n == 3
    assert row.low == pytest.approx(0.1)
    assert row.high == pytest.approx(0.4)


def test_differences_from_an_inner_optimum_are_of_distances(table: pd.DataFrame) -> None:
    row = _row(table, "one", "all", "ours − rival")
    assert row.value == pytest.approx(np.mean([0.5 - 0.2, 0.5, 0.0]))


def test_a_worst_value_without_bound_is_not_dropped_from_the_mean() -> None:
    values = MODEL.copy()
    values[1, 0] = np.inf
    ones = np.ones((2, 4))
    scores = AxisScores(
        "effect",
        METRICS,
        LABELS,
        {"ours": values},
        {"ours": np.ones(4, dtype=bool)},
        make_bounds(METRICS, (0 * ones,), np.ones((2, 2, 4))),
        np.ones(4),
    )
    row = _row(tabulate(scores, "ours", seed=0), "one", "all", "ours")
    assert row.value == np.inf
    assert row.n == 4
