"""Predicted cells are read strictly, except that a NaN spoils its perturbation only."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from gpjepa.core.errors import DataError
from gpjepa.evaluation.prediction import read_prediction


def _predicted(values: np.ndarray, **obs: list[object]) -> anndata.AnnData:
    columns = {"perturbation": ["A", "A", "B+A"]} | obs
    frame = pd.DataFrame(columns, index=["x", "y", "z"])
    return anndata.AnnData(X=values, obs=frame, var=pd.DataFrame(index=["g1", "g2"]))


COUNTS = np.array([[1.0, 2.0], [0.0, 3.0], [4.0, 0.0]])


def test_labels_become_canonical_and_the_library_is_the_panel_sum() -> None:
    prediction = read_prediction(_predicted(COUNTS))
    assert prediction.cells.labels.tolist() == ["A", "A", "A+B"]
    np.testing.assert_array_equal(prediction.cells.library, [3, 3, 4])
    assert prediction.totals is None
    assert prediction.spoiled == frozenset()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_spoils_its_perturbation_and_no_other(value: float) -> None:
    damaged = COUNTS.copy()
    damaged[2, 1] = value
    prediction = read_prediction(_predicted(damaged))
    assert prediction.spoiled == {"A+B"}
    np.testing.assert_array_equal(prediction.cells.counts.toarray(), COUNTS)


def test_an_unknown_total_spoils_its_perturbation() -> None:
    prediction = read_prediction(_predicted(COUNTS, total_counts=[9.0, np.nan, 9.0]))
    assert prediction.spoiled == {"A"}


def test_totals_beyond_the_panel_are_kept_and_equal_ones_are_none() -> None:
    assert read_prediction(_predicted(COUNTS, total_counts=[3, 3, 4])).totals is None
    totals = read_prediction(_predicted(COUNTS, total_counts=[10, 3, 4])).totals
    np.testing.assert_array_equal(totals, [10, 3, 4])


@pytest.mark.parametrize(
    ("values", "found"),
    [(-COUNTS, "negative"), (np.log1p(COUNTS), "log-normalised"), (COUNTS + 0.5, "raw counts")],
)
def test_values_that_are_no_counts_are_refused(values: np.ndarray, found: str) -> None:
    with pytest.raises(DataError, match=found):
        read_prediction(_predicted(values))


def test_missing_columns_labels_and_impossible_totals_are_refused() -> None:
    with pytest.raises(DataError, match="rename the column"):
        read_prediction(_predicted(COUNTS), columns=("condition",))
    with pytest.raises(DataError, match="1 missing value"):
        read_prediction(_predicted(COUNTS, perturbation=["A", None, "B"]))
    with pytest.raises(DataError, match="at least the sum over the panel"):
        read_prediction(_predicted(COUNTS, total_counts=[2, 3, 4]))
