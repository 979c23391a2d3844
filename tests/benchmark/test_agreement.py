from __future__ import annotations

import math

import numpy as np
import pytest

from gpjepa.benchmark import agreement
from gpjepa.benchmark.agreement import CELL, COMPOSED, TABLE


def test_distances_and_steps_are_shares_of_the_tables_own_error() -> None:
    observed = np.array([[0.0, 0.0]])
    predicted = {
        TABLE: np.array([[3.0, 4.0]]),
        COMPOSED: np.array([[3.0, 3.0]]),
        CELL: np.array([[0.0, 3.0]]),
        "additive": np.array([[6.0, 8.0]]),
    }
    found = agreement.beside_table(predicted, observed)
    away = {name: value.item() for name, value in found["distance_table"].items()}
    assert away == pytest.approx({TABLE: 0, COMPOSED: 0.2, CELL: math.sqrt(10) / 5, "additive": 1})
    steps = {name: value.item() for name, value in found["step"].items()}
    assert steps == pytest.approx({COMPOSED: 0.2, CELL: 0.6})
    sizes = {name: value.item() for name, value in found["size_table"].items()}
    assert sizes[CELL] == pytest.approx(0.6)
    assert sizes["additive"] == pytest.approx(2.0)
    assert found["pearson_table"]["additive"].item() == pytest.approx(1.0)
    rows = agreement.rows_of("doubles", predicted, observed, np.zeros(2), ["A+B"])
    share = rows[(rows.metric == "step") & (rows.model == CELL)]
    assert share["each"].item() == {"A+B": share.value.item()}
    assert "l2_over_additive" in set(rows.metric)


def test_interactions_are_compared_with_predicting_none_and_with_their_intervals() -> None:
    true = np.array([[1.0, 0.0, -1.0], [2.0, 2.0, 0.0]])
    predicted = np.stack([true[0] / 2, 2 * true[1]])
    labels = ["A+B", "C+D"]
    low, high = true - 1, true + np.array([1, 1, -1])
    found = agreement.score_interactions("g", predicted, low, high, true, labels)
    rows = found.set_index("metric")
    assert rows["each"]["interaction_error"] == pytest.approx({"A+B": 0.5, "C+D": 1.0})
    assert rows.value["interaction_error"] == pytest.approx(0.75)
    assert rows.value["interaction_coverage_90"] == pytest.approx(2 / 3)  # the last gene is out
    assert rows.ceiling["interaction_coverage_90"] == 0.9
    assert rows.value["interaction_pearson"] == pytest.approx(1.0)
    assert set(rows.model) == {CELL}
