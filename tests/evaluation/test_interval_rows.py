"""Error bars and verdicts become rows beside the other scores of the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gpjepa.evaluation.baselines import fit_baselines
from gpjepa.evaluation.contenders import cell_numbers
from gpjepa.evaluation.interval_rows import interval_rows
from gpjepa.evaluation.measured import measure
from gpjepa.evaluation.pair import make_pair
from gpjepa.evaluation.report_table import COLUMNS
from gpjepa.evaluation.request import Request
from gpjepa.evaluation.scored import score_all


@pytest.fixture(scope="module")
def rows(oracle: Any, observed: Any, train: Any) -> pd.DataFrame:
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
            "verdict": np.where(labels == "T4", "do not trust", "use the model"),
        }
    )
    request = Request("ours", 0, True, frozenset())
    scored = score_all(pair, measured, fit_baselines(pair.train, target=pair.target), request)
    frames = interval_rows(effects, pair, measured, scored, request)
    return pd.concat(frames, ignore_index=True)


def test_every_row_belongs_to_the_model_and_has_no_floor(rows: pd.DataFrame) -> None:
    assert list(rows.columns) == list(COLUMNS)
    bars = rows[~rows["metric"].str.contains(": ")]
    assert set(bars["model"]) == {"ours"}
    assert set(bars["axis"]) == {"generative"}
    assert rows[["floor", "ceiling", "skill"]].isna().all().all()
    assert (rows["undefined"] == 0).all()


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
