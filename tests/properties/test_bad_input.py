"""What is wrong with two files is named; what can be scored is, and nothing is dropped."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gpjepa.core.errors import ConfigError, DataError
from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.intervals import INTERVAL_METRICS
from gpjepa.evaluation.pair import COPY
from gpjepa.evaluation.report import EvaluationReport

METRICS = {m.name: m for m in (*EFFECT_METRICS, *GENERATIVE_METRICS, *INTERVAL_METRICS)}
RATE = np.random.default_rng(0).uniform(0.5, 3.0, 40)
SHIFT = {
    label: np.exp(0.7 * np.random.default_rng(index).normal(size=40))
    for index, label in enumerate(("A", "B", "C"), start=1)
}


def _cells(numbers: dict[str, int], seed: int) -> anndata.AnnData:
    rng = np.random.default_rng(seed)
    counts = [rng.poisson(RATE * SHIFT.get(name, 1.0), (n, 40)) for name, n in numbers.items()]
    labels = np.repeat(list(numbers), list(numbers.values()))
    obs = pd.DataFrame({"perturbation": labels}, index=[f"{seed}-{i}" for i in range(len(labels))])
    x = sparse.csr_matrix(np.concatenate(counts).astype(np.float32))
    return anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(40)]))


@pytest.fixture
def observed() -> anndata.AnnData:
    return _cells({"control": 60, "A": 30, "B": 30, "C": 30}, 1)


@pytest.fixture
def predicted() -> anndata.AnnData:
    return _cells({"A": 40, "B": 40, "C": 40}, 2)


def _value(report: EvaluationReport, metric: str, label: str = "all") -> float:
    rows = report.table[(report.table.metric == metric) & (report.table.perturbation == label)]
    return float(rows[rows.model == "gpjepa"]["value"].item())


def test_genes_that_differ_are_named(predicted, observed) -> None:
    renamed = predicted.copy()
    renamed.var_names = ["x0", *predicted.var_names[1:]]
    with pytest.raises(DataError, match=r"'g0' only observed, 'x0' only predicted; .*subset"):
        evaluate(renamed, observed)


def test_labels_that_differ_are_named(predicted, observed) -> None:
    renamed = predicted.copy()
    renamed.obs["perturbation"] = renamed.obs["perturbation"].astype(str).replace("C", "D")
    with pytest.raises(DataError, match=r"'C' without prediction, 'D' predicted but not observed"):
        evaluate(renamed, observed)


def test_a_lack_of_controls_is_said_on_either_side(predicted, observed) -> None:
    alone = observed[observed.obs["perturbation"] != "control"].copy()
    with pytest.raises(DataError, match=r"control"):
        evaluate(predicted, alone)
    train = _cells({"A": 20, "B": 20}, 3)
    with pytest.raises(DataError, match=r"control"):
        evaluate(predicted, observed, train=train)
    with pytest.raises(DataError, match=r"control"):
        evaluate(predicted, alone, train=observed)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda x: -x, "negative"),
        (lambda x: x + 0.25 * (x > 0), "looks .*normalised"),
        (np.log1p, "log-normalised"),
        (lambda x: 300.7 * x, "normalised"),
    ],
)
def test_values_that_are_no_counts_are_refused_and_the_way_out_is_told(
    predicted, observed, change, found: str
) -> None:
    changed = predicted.copy()
    changed.X = change(predicted.X.toarray())
    with pytest.raises(DataError, match=rf"(?s){found}.*expected raw counts.*metrics=\[...\]"):
        evaluate(changed, observed)
    with pytest.raises(DataError, match="expected raw counts"):
        evaluate(changed, observed, metrics=["l2"])
    with pytest.raises(ConfigError, match="'mmd' cannot be computed from predicted log1p"):
        evaluate(changed, observed, metrics=["mmd"], values="log1p")


def test_observed_values_that_are_no_counts_are_refused_always(predicted, observed) -> None:
    changed = observed.copy()
    changed.X = np.log1p(observed.X.toarray())
    with pytest.raises(DataError, match=r"log-normalised.*expected raw counts"):
        evaluate(predicted, changed, metrics=["l2"], values="log1p")


def test_a_nan_among_the_observed_is_refused_and_placed(predicted, observed) -> None:
    damaged = observed.copy()
    damaged.X = observed.X.toarray()
    damaged.X[70, 5] = np.nan
    with pytest.raises(DataError, match=r"1 value NaN .*cell '1-70', gene 'g5'"):
        evaluate(predicted, damaged)


@pytest.mark.parametrize("where", ["counts", "totals", "means"])
def test_a_nan_in_the_prediction_is_the_worst_of_every_metric(
    predicted, observed, where: str
) -> None:
    damaged = predicted.copy()
    asked: dict = {}
    if where == "totals":
        damaged.obs["total_counts"] = predicted.X.sum(1).A1
        damaged.obs.loc[damaged.obs_names[3], "total_counts"] = np.nan
    else:
        damaged.X = predicted.X.toarray()
        damaged.X[3, 7] = np.nan
    if where == "means":
        asked = {"metrics": ["pearson_delta", "l2", "slope"], "values": "mean counts"}
    report = evaluate(damaged, observed, baselines=False, **asked)
    rows = report.table[report.table.perturbation == "A"]
    assert len(rows) == len(asked.get("metrics", [*EFFECT_METRICS, *GENERATIVE_METRICS]))
    for row in rows.itertuples():
        assert row.value == METRICS[row.metric].worst, row.metric
    assert _value(report, "l2") == np.inf
    assert any("NaN, so the worst values: A" in note for note in report.notes)


def test_a_nan_among_the_intervals_is_the_worst_of_every_score(predicted, observed) -> None:
    genes = np.tile(observed.var_names, 3)
    labels = np.repeat(["A", "B", "C"], 40)
    table = pd.DataFrame({"perturbation": labels, "gene": genes, "effect": 0.0})
    table = table.assign(low=-1.0, high=1.0, verdict="use the model")
    table.loc[5, "effect"] = np.nan
    report = evaluate(predicted, observed, effects=table, baselines=False)
    for metric in INTERVAL_METRICS:
        assert _value(report, metric.name, "A") == metric.worst, metric.name
    assert _value(report, "crps") == np.inf


def test_one_perturbation_is_scored_without_identity_and_interval(observed) -> None:
    report = evaluate(
        _cells({"A": 30}, 4), observed[observed.obs["perturbation"].isin(["control", "A"])].copy()
    )
    assert _value(report, "pearson_delta") > 0.5
    assert np.isnan(_value(report, "discrimination"))
    own = report.table[report.table.model == "gpjepa"].set_index(["metric", "perturbation"])
    assert np.isnan(own.loc[("pearson_delta", "all"), "low"])


@pytest.mark.parametrize("side", ["predicted", "observed"])
def test_one_cell_is_scored_where_it_can_be(predicted, observed, side: str) -> None:
    numbers = {"control": 60, "A": 1, "B": 30, "C": 30}
    if side == "predicted":
        report = evaluate(_cells({"A": 1, "B": 30, "C": 30}, 5), observed, baselines=False)
        assert _value(report, "energy_distance", "A") == METRICS["energy_distance"].worst
    else:
        report = evaluate(predicted, _cells(numbers, 6), baselines=False)
        own = report.table[report.table.model == "gpjepa"].set_index(["metric", "perturbation"])
        assert own.loc[("l2", "A"), "undefined"] == 1
        assert np.isnan(own.loc[("energy_distance", "A"), "value"])
    assert np.isfinite(_value(report, "l2", "A"))
    assert np.isfinite(_value(report, "l2"))


def test_constant_predictions_have_no_correlation_and_chance_identity(predicted, observed) -> None:
    flat = predicted.copy()
    flat.X = np.full(predicted.shape, 3.0)
    report = evaluate(flat, observed, baselines=False)
    assert _value(report, "discrimination") == 0.5
    assert _value(report, "pearson_perturbed") < 0.5
    assert all(np.isfinite(_value(report, "mmd", label)) for label in "ABC")


@pytest.mark.parametrize("order", ["same", "shuffled", "part"])
def test_a_copy_of_the_observed_cells_is_called_one(observed, order: str) -> None:
    cells = np.flatnonzero(observed.obs["perturbation"] != "control")
    if order != "same":
        cells = np.random.default_rng(0).permutation(cells)
    if order == "part":
        cells = cells[:45]
    copied = observed[np.sort(cells) if order == "part" else cells].copy()
    report = evaluate(copied, observed, baselines=False)
    assert COPY in report.notes
    assert COPY.startswith("WARNING")


def test_another_sample_of_the_same_population_is_no_copy(predicted, observed) -> None:
    assert COPY not in evaluate(predicted, observed, baselines=False).notes


def test_categories_without_cells_are_no_groups(predicted, observed) -> None:
    with_empty = [side.copy() for side in (predicted, observed)]
    for side, extra in zip(with_empty, (["D"], ["E", "F"]), strict=True):
        side.obs["perturbation"] = pd.Categorical(
            side.obs["perturbation"], categories=["control", "A", "B", "C", *extra]
        )
    plain = evaluate(predicted, observed, baselines=False).table
    pd.testing.assert_frame_equal(evaluate(*with_empty, baselines=False).table, plain)


def test_files_without_perturbed_or_without_any_cells_are_refused(predicted, observed) -> None:
    controls = observed[observed.obs["perturbation"] == "control"].copy()
    with pytest.raises(DataError, match=r"'A', 'B', 'C' predicted but not observed"):
        evaluate(predicted, controls)
    with pytest.raises(DataError, match="0 perturbations"):
        evaluate(controls, controls)
    with pytest.raises(DataError, match="without prediction"):
        evaluate(predicted[:0].copy(), observed)


def test_a_perturbation_whose_predicted_cells_are_empty_is_scored(predicted, observed) -> None:
    silent = predicted.copy()
    silent.X = predicted.X.toarray() * (predicted.obs["perturbation"] != "B").to_numpy()[:, None]
    report = evaluate(silent, observed, baselines=False)
    assert _value(report, "l2", "B") > 3 * _value(report, "l2", "A")
    assert np.isfinite(_value(report, "l2", "B"))
