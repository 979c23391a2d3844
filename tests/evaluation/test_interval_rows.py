"""Error bars and verdicts become rows beside the other scores of the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gpjepa.evaluation.baselines import fit_baselines
from gpjepa.evaluation.contenders import cell_numbers
from gpjepa.evaluation.interval_rows import IntervalScores, interval_rows
from gpjepa.evaluation.measured import measure
from gpjepa.evaluation.pair import make_pair
from gpjepa.evaluation.report_table import COLUMNS
from gpjepa.evaluation.request import Request
from gpjepa.evaluation.scored import score_all


@pytest.fixture(scope="module")
def scores(oracle: Any, observed: Any, train: Any) -> IntervalScores:
    pair = make_pair(oracle, observed, train)
    measured = measure(pair, cell_numbers(pair), seed=0)
    genes = pair.genes[pair.gated]
    truth = (measured.truth.state - measured.truth.control).ravel()
    half = 0.3 * stats.norm.ppf(0.95)
    effect = truth + np.random.default_rng(0).normal(size=truth.size) * 0.3
    labels = np.repeat(np.array(pair.perturbations, dtype=object), len(genes))
    effects = pd.DataFrame(
        {
            "perturbation": labels,
            "gene": np.tile(genes, 4),
            "effect": effect,
            "low": effect - half,
            "high": effect + half,
            "novelty": np.where(labels == "T4", 0.9, 0.1),
            "verdict": np.where(labels == "T4", "do not trust", "use the model"),
        }
    )
    request = Request("ours", 0, True, frozenset())
    scored = score_all(pair, measured, fit_baselines(pair.train, target=pair.target), request)
    return interval_rows(effects, pair, measured, scored, request)


@pytest.fixture(scope="module")
def rows(scores: IntervalScores) -> pd.DataFrame:
    return pd.concat(scores.rows, ignore_index=True)


def test_every_row_belongs_to_the_model_and_only_orders_have_bounds(rows: pd.DataFrame) -> None:
    assert list(rows.columns) == list(COLUMNS)
    bars = rows[~rows["metric"].str.contains(": ")]
    assert set(bars["model"]) == {"ours"}
    assert set(bars["axis"]) == {"generative"}
    ordered = rows["metric"].str.startswith("risk_coverage")
    bounds = ["floor", "ceiling", "skill"]
    assert rows.loc[~ordered, bounds].isna().all().all()
    assert rows.loc[ordered, bounds].notna().all().all()
    assert (rows["undefined"] == 0).all()


def test_doubt_is_scored_by_error_bar_and_by_novelty(rows: pd.DataFrame) -> None:
    areas = rows[rows["metric"].str.startswith("risk_coverage")].set_index("metric")
    assert list(areas.index) == ["risk_coverage_area", "risk_coverage_area_novelty"]
    assert (areas["n"] == 4).all()
    assert (areas["ceiling"] <= areas["value"]).all()
    one_width = areas.loc["risk_coverage_area"]
    assert one_width["value"] == pytest.approx(one_width["floor"], rel=1e-6)


def test_the_curves_are_those_of_the_rows(scores: IntervalScores, rows: pd.DataFrame) -> None:
    curves = scores.curves
    nominal = curves[(curves["curve"] == "coverage") & (curves["series"] == "all")]
    drawn = nominal.set_index("x").loc[0.9, "value"]
    scored = rows[(rows["metric"] == "coverage_90") & (rows["perturbation"] == "all")]
    assert drawn == pytest.approx(scored["value"].item())
    risk = curves[(curves["curve"] == "risk") & (curves["series"] == "novelty")]
    area = rows[rows["metric"] == "risk_coverage_area_novelty"]
    assert risk["value"].mean() == pytest.approx(area["value"].item())


def test_coverage_is_averaged_over_perturbations(rows: pd.DataFrame) -> None:
    coverage = rows[rows["metric"] == "coverage_90"].set_index("perturbation")
    assert len(coverage) == 5
    mean = coverage.drop("all")["value"].mean()
    assert coverage.loc["all", "value"] == pytest.approx(mean)
    assert mean > 0.88
    assert coverage.loc["all", "low"] <= mean <= coverage.loc["all", "high"]


def test_errors_are_told_by_verdict(rows: pd.DataFrame) -> None:
    told = rows[rows["metric"].str.startswith("normalised_mae: ") & (rows["model"] == "ours")]
    told = told.set_index("metric")
    assert told.loc["normalised_mae: do not trust", "n"] == 1
    assert told.loc["normalised_mae: use the model", "n"] == 3
    assert np.isnan(told.loc["normalised_mae: do not trust", "low"])
    assert (told["value"] > 0).all()
