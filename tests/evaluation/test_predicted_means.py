"""Predicted means become states by the one definition of a pseudobulk."""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from gpjepa.core.errors import ConfigError, DataError
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.predicted_means import read_means
from gpjepa.evaluation.pseudobulk import group_pseudobulk
from gpjepa.evaluation.request import metrics_of_means

MEANS = np.array([[1.5, 0.5, 0.0], [0.5, 0.5, 1.0], [0.1, 0.2, 0.7]])


def _file(values: np.ndarray, labels: list[str] | None = None) -> anndata.AnnData:
    obs = pd.DataFrame({"perturbation": labels or ["A", "A", "B"]}, index=["x", "y", "z"])
    return anndata.AnnData(X=values, obs=obs, var=pd.DataFrame(index=["g1", "g2", "g3"]))


def _state(prediction: Any) -> np.ndarray:
    cells = prediction.cells
    return np.expm1(group_pseudobulk(cells.counts, cells.library, cells.codes(("A", "B")), 2, 1.0))


def test_mean_counts_are_summed_and_divided_by_their_total() -> None:
    prediction = read_means(_file(MEANS), "mean counts")
    np.testing.assert_allclose(_state(prediction), [[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    assert not prediction.counted


@pytest.mark.parametrize("target", [50.0, 1e4])
def test_log_values_are_shares_whatever_their_target_and_rows_weigh_alike(target: float) -> None:
    shares = MEANS / MEANS.sum(1, keepdims=True)
    prediction = read_means(_file(np.log1p(target * shares)), "log1p")
    np.testing.assert_allclose(_state(prediction), [[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])


def test_negative_values_are_nought_and_told() -> None:
    prediction = read_means(_file(np.where(MEANS == 0.2, -0.3, MEANS)), "mean counts")
    np.testing.assert_allclose(_state(prediction)[1], [0.125, 0.0, 0.875])
    assert "1 negative predicted values are taken as 0" in prediction.notes


def test_nan_and_rows_without_expression_spoil_their_perturbation() -> None:
    assert read_means(_file(np.where(MEANS == 1.5, np.nan, MEANS)), "log1p").spoiled == {"A"}
    assert read_means(_file(MEANS * [[1], [1], [0]]), "mean counts").spoiled == {"B"}


def test_counts_called_logarithms_are_refused() -> None:
    with pytest.raises(DataError, match=r"reach 1500; expected log1p .* values='mean counts'"):
        read_means(_file(1000 * MEANS), "log1p")


def test_exact_means_score_as_their_cells_do_on_every_metric_of_means(
    oracle: Any, observed: Any, train: Any
) -> None:
    whole = evaluate(oracle, observed, train=train)
    labels = sorted(set(oracle.obs["perturbation"]))
    sums = [oracle[oracle.obs["perturbation"] == label].X.mean(axis=0).A1 for label in labels]
    obs = pd.DataFrame({"perturbation": labels}, index=labels)
    means = anndata.AnnData(X=np.array(sums), obs=obs, var=oracle.var)
    asked = metrics_of_means()
    for values in ("mean counts", "log1p"):
        if values == "log1p":
            means.X = np.log1p(1e4 * means.X / means.X.sum(1, keepdims=True))
        report = evaluate(means, observed, train=train, metrics=asked, values=values)
        own = report.table[report.table["axis"] == "effect"].reset_index(drop=True)
        full = whole.table[whole.table["metric"].isin(own["metric"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, full)
        assert report.unasked == ("representation",)
        assert any(values in note for note in report.notes)
    with pytest.raises(ConfigError, match="no metric is named"):
        evaluate(means, observed, train=train, values="log1p")
    with pytest.raises(DataError, match=r"log-normalised .*values='log1p'"):
        evaluate(means, observed, train=train)
