"""The whole evaluation: bounds mean what they say, and nothing cheap scores well."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gpjepa.core.errors import ConfigError, DataError
from gpjepa.data.gene_features import GeneFeatures
from gpjepa.evaluation.baselines import NAMES
from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.evaluator import NOT_RESPONDING, EvaluationReport, evaluate
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.interaction_metrics import INTERACTION_METRICS
from gpjepa.evaluation.population_skill import POPULATION_SKILL_METRICS

METRICS = {metric.name: metric for metric in (*EFFECT_METRICS, *GENERATIVE_METRICS)}


def _mean(
    report: EvaluationReport, metric: str, model: str = "gpjepa", column: str = "value"
) -> float:
    rows = report.table[
        (report.table.metric == metric)
        & (report.table.perturbation == "all")
        & (report.table.model == model)
    ]
    assert len(rows) == 1
    return float(rows[column].iloc[0])


@pytest.fixture(scope="module")
def report(oracle: Any, observed: Any, train: Any) -> EvaluationReport:
    return evaluate(oracle, observed, train=train)


def test_every_metric_and_every_baseline_has_its_rows(report: EvaluationReport) -> None:
    average = report.table[report.table.perturbation == "all"]
    for model in ("gpjepa", *NAMES):
        found = {metric.name for metric in (*INTERACTION_METRICS, *POPULATION_SKILL_METRICS)}
        assert set(average[average.model == model].metric) == {*METRICS, *found}
    for baseline in NAMES:
        assert f"gpjepa − {baseline}" in set(average.model)
    assert report.missing_axes == ("representation",)
    assert "representation: not supplied" in report.first_line()


def test_the_true_simulator_scores_at_least_the_replicate(report: EvaluationReport) -> None:
    for metric in ("pearson_delta", "pearson_perturbed", "r2_delta", "normalised_mae", "l2"):
        assert _mean(report, metric, column="skill") > 0.97, metric
    for metric in ("energy_distance", "wasserstein", "pit_distance"):
        assert _mean(report, metric, column="skill") > 0.9, metric
    assert _mean(report, "slope") == pytest.approx(1.0, abs=0.1)


def test_the_floor_is_reached_by_the_baselines_that_make_it(report: EvaluationReport) -> None:
    rows = report.table[(report.table.axis == "effect") & (report.table.perturbation != "all")]
    for metric in ("pearson_delta", "l2", "discrimination"):
        of = rows[rows.metric == metric].pivot(index="perturbation", columns="model")
        skills = of["skill"][["no change", "training mean"]].dropna()
        assert len(skills) > 1
        at_floor = (skills.abs() < 1e-12).all()
        assert at_floor.any(), metric
        assert (skills.loc[:, ~at_floor].mean() < 0).all(), metric


def test_resampled_control_cells_score_nought_as_populations(
    screen: Any, observed: Any, train: Any
) -> None:
    labels = np.repeat(["T0+T1", "T2+T3", "T4", "T5"], 60)
    controls = screen.cells({"control": 240}, seed=31)
    controls.obs["perturbation"] = labels
    report = evaluate(controls, observed, train=train, baselines=False)
    for metric in ("energy_distance", "wasserstein"):
        assert abs(_mean(report, metric, column="skill")) < 0.1
    assert abs(_mean(report, "pearson_delta")) < 0.35
    assert _mean(report, "norm_ratio") < 0.35


def test_permuted_labels_score_no_better_than_the_floor_on_identity(
    oracle: Any, observed: Any, train: Any
) -> None:
    swapped = oracle.copy()
    turn = {"T0+T1": "T4", "T4": "T2+T3", "T2+T3": "T5", "T5": "T0+T1"}
    swapped.obs["perturbation"] = [turn[label] for label in oracle.obs["perturbation"]]
    report = evaluate(swapped, observed, train=train, baselines=False)
    for metric in ("discrimination", "centroid_accuracy", "pearson_perturbed"):
        assert _mean(report, metric) <= _mean(report, metric, column="floor"), metric


def test_a_copy_of_the_observed_cells_has_the_best_value_of_every_effect_metric(
    observed: Any,
) -> None:
    report = evaluate(observed, observed, baselines=False)
    for metric in EFFECT_METRICS:
        if metric.name not in ("de_precision", "de_recall"):
            assert _mean(report, metric.name) == pytest.approx(metric.best, abs=1e-9), metric.name
    assert any("a copy" in note for note in report.notes)


def test_a_nan_in_one_cell_gives_its_perturbation_the_worst_values_and_is_not_dropped(
    oracle: Any, observed: Any, train: Any, report: EvaluationReport
) -> None:
    damaged = oracle.copy()
    values = damaged.X.toarray()
    values[np.flatnonzero(damaged.obs["perturbation"] == "T4")[3], 20] = np.nan
    damaged.X = values
    spoiled = evaluate(damaged, observed, train=train, baselines=False)
    rows = spoiled.table[(spoiled.table.model == "gpjepa") & (spoiled.table.perturbation == "T4")]
    assert len(rows) == len(METRICS)
    for row in rows.itertuples():
        assert row.value == METRICS[row.metric].worst, row.metric
    assert _mean(spoiled, "pearson_delta") < _mean(report, "pearson_delta") - 0.4
    assert _mean(spoiled, "l2") == np.inf
    assert _mean(spoiled, "l2", column="n") == 4
    assert any("T4" in note for note in spoiled.notes)
    json.dumps(spoiled.to_json(), allow_nan=False)


def test_constant_predictions_are_scored_without_crash_and_gain_nothing(
    oracle: Any, observed: Any, train: Any
) -> None:
    for value in (0.0, 2.0):
        constant = oracle.copy()
        constant.X = np.full(oracle.shape, value)
        report = evaluate(constant, observed, train=train, baselines=False)
        for metric in ("discrimination", "centroid_accuracy"):
            assert _mean(report, metric) == pytest.approx(0.5)
        for metric in ("l2", "energy_distance", "pearson_perturbed"):
            skill = _mean(report, metric, column="skill")
            assert skill < 0.05, (value, metric)


def test_one_perturbation_and_one_cell_are_scored_where_they_can_be(screen: Any) -> None:
    observed = screen.cells({"control": 60, "T4": 1}, seed=41)
    report = evaluate(screen.cells({"T4": 3}, seed=42), observed)
    assert np.isfinite(_mean(report, "pearson_delta"))
    assert np.isnan(_mean(report, "discrimination"))
    assert np.isnan(_mean(report, "pearson_delta", column="skill"))
    assert _mean(report, "pearson_delta", column="undefined") == 1
    assert np.isnan(_mean(report, "pearson_delta", column="low"))


def test_perturbations_that_do_not_respond_are_reported_apart(screen: Any) -> None:
    numbers = {"T4": 40, "N0": 40, "N1": 40}
    observed = screen.cells({"control": 80, **numbers}, seed=51)
    report = evaluate(screen.cells(numbers, seed=52), observed, baselines=False)
    rows = report.table[(report.table.metric == "energy_distance")].set_index("perturbation")
    assert rows.loc["all", "n"] == 1
    assert rows.loc[NOT_RESPONDING, "n"] == 2
    assert rows.loc["all", "value"] == rows.loc["T4", "value"]


def test_skill_is_undefined_and_counted_where_nothing_can_be_measured(screen: Any) -> None:
    numbers = {f"N{index}": 30 for index in range(8)}
    observed = screen.cells({"control": 80, **numbers}, seed=61)
    report = evaluate(screen.cells(numbers, seed=62), observed, baselines=False)
    assert _mean(report, "pearson_delta", column="undefined") >= 6


def test_effects_with_intervals_are_scored_when_supplied(
    oracle: Any, observed: Any, train: Any, report: EvaluationReport
) -> None:
    assert "effect intervals: not supplied" in report.notes
    genes = [gene for gene in observed.var_names if gene.startswith("G")]
    effects = pd.DataFrame(
        [
            (label, gene, 0.0, -1.0, 1.0)
            for label in ("T1+T0", "T2+T3", "T4", "T5")
            for gene in genes
        ],
        columns=["perturbation", "gene", "effect", "low", "high"],
    )
    told = evaluate(oracle, observed, train=train, effects=effects, baselines=False)
    assert 0.5 < _mean(told, "coverage_90") < 1.0
    assert "effect intervals: not supplied" not in told.notes
    with pytest.raises(DataError, match="lacks perturbation 'T5'"):
        evaluate(oracle, observed, effects=effects[effects.perturbation != "T5"])


def test_an_embedding_on_both_sides_fills_the_representation_axis(
    oracle: Any, observed: Any, train: Any
) -> None:
    sides = [oracle.copy(), observed.copy()]
    for side in sides:
        side.obsm["X_embedding"] = np.log1p(side.X.toarray())[:, :12]
    report = evaluate(*sides, train=train, baselines=False)
    assert report.missing_axes == ()
    rows = report.table[report.table["axis"] == "representation"]
    assert "gpjepa" in set(rows["model"])
    assert rows["value"].notna().any()
    assert any("no annotation" in note for note in report.notes)


def test_features_let_the_linear_baseline_embed_genes_outside_the_panel(
    oracle: Any, observed: Any, train: Any
) -> None:
    values = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    features = GeneFeatures(tuple(f"T{index}" for index in range(6)), values)
    genes = [gene for gene in observed.var_names if gene.startswith("G")]
    sides = [side[:, genes].copy() for side in (oracle, observed, train)]
    without = evaluate(sides[0], sides[1], train=sides[2])
    assert "linear" not in set(without.table[without.table.perturbation == "T4"].model)
    given = evaluate(sides[0], sides[1], train=sides[2], features=features)
    assert "linear" in set(given.table[given.table.perturbation == "T4"].model)


def test_the_same_seed_gives_the_same_table(oracle: Any, observed: Any, train: Any) -> None:
    first, second = (
        evaluate(oracle, observed, train=train, baselines=False, seed=4).table for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, second)


def test_the_name_of_the_model_is_the_callers(oracle: Any, observed: Any, train: Any) -> None:
    report = evaluate(oracle, observed, train=train, baselines=False, name="other")
    assert set(report.table.model) == {"other"}
    assert report.best_baseline("pearson_delta") is None


def test_paths_are_read_as_well(tmp_path: Any, oracle: Any, observed: Any, train: Any) -> None:
    paths = []
    for index, part in enumerate((oracle, observed, train)):
        paths.append(tmp_path / f"{index}.h5ad")
        part.write_h5ad(paths[-1])
    from_files = evaluate(paths[0], str(paths[1]), train=paths[2], baselines=False)
    direct = evaluate(oracle, observed, train=train, baselines=False)
    pd.testing.assert_frame_equal(from_files.table, direct.table)


def test_few_predicted_cells_are_told_because_they_make_populations_look_farther(
    screen: Any, observed: Any, train: Any
) -> None:
    few = screen.cells({"T0+T1": 20, "T2+T3": 40, "T4": 40, "T5": 40}, seed=3)
    notes = evaluate(few, observed, train=train, baselines=False).notes
    assert any("1 perturbations have fewer predicted cells than half" in note for note in notes)


def test_only_metrics_asked_for_are_computed_and_equal_those_of_the_whole_table(
    oracle: Any, observed: Any, train: Any, report: EvaluationReport
) -> None:
    asked = ["de_recall", "l2", "mmd"]
    some = evaluate(oracle, observed, train=train, metrics=asked)
    assert set(some.table["metric"]) == set(asked)
    full = report.table[report.table["metric"].isin(asked)].reset_index(drop=True)
    pd.testing.assert_frame_equal(some.table, full)
    assert some.unasked == ("representation",)
    with pytest.raises(ConfigError, match="'pearsn_delta' is not known"):
        evaluate(oracle, observed, metrics=["pearsn_delta"])
