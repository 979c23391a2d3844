"""Rows of interactions in the table of an evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gpjepa.evaluation.baselines import fit_baselines
from gpjepa.evaluation.interaction_metrics import INTERACTION_METRICS
from gpjepa.evaluation.interaction_rows import (
    ALL_CELLS,
    AS_GIVEN,
    interaction_rows,
    predicted_states,
)
from gpjepa.evaluation.pair import make_pair
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.evaluation.report_table import COLUMNS

NAMES = [metric.name for metric in INTERACTION_METRICS]


@pytest.fixture(scope="module")
def interacting(screen):
    """Return the screen with a strong interaction in both doubles."""
    draw = np.random.default_rng(0)
    strong = {
        label: screen.effects[label] + 1.5 * draw.choice([-1, 1], 60) * (draw.random(60) < 0.3)
        for label in ("T0+T1", "T2+T3")
    }
    return type(screen)(screen.genes, {**screen.effects, **strong}, screen.base)


@pytest.fixture(scope="module")
def scored(interacting):
    """Return the pair, the states of the truth and of a flat prediction, and the baselines."""
    numbers = {"T0+T1": 120, "T2+T3": 120}
    train = interacting.cells({"control": 200, **dict.fromkeys(("T0", "T1", "T2", "T3"), 120)}, 1)
    observed = interacting.cells({"control": 200, **numbers, "T4": 40}, seed=2)
    predicted = interacting.cells({**numbers, "T4": 40}, seed=3)
    pair = make_pair(predicted, observed, train)
    return pair, predicted_states(pair), fit_baselines(pair.train, target=pair.target)


@pytest.fixture(scope="module")
def table(scored) -> pd.DataFrame:
    pair, state, fitted = scored
    frames, _ = interaction_rows(pair, state, fitted, "model", 0)
    return pd.concat(frames, ignore_index=True)


def overall(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["perturbation"] == "all"].set_index(["metric", "model"])


def test_rows_have_the_columns_of_the_report_and_all_three_metrics(table):
    assert list(table.columns) == list(COLUMNS)
    assert set(table["metric"]) == set(NAMES)
    assert set(table["axis"]) == {"effect"}
    assert set(table["perturbation"]) == {"all", "T0+T1", "T2+T3"}


def test_a_draw_from_the_truth_scores_about_as_a_replicate(table):
    for metric in NAMES[:2]:
        row = overall(table).loc[(metric, "model")]
        assert row["value"] > row["floor"] + 0.5
        assert row["skill"] == pytest.approx(1.0, abs=0.25)


def test_no_change_and_the_sum_are_the_floor(table):
    for metric in NAMES:
        for model in ("no change", "additive"):
            row = overall(table).loc[(metric, model)]
            assert row["value"] == pytest.approx(row["floor"])


def test_baselines_scored_as_the_model_are_shown_and_differences_are_paired(table):
    rows = overall(table)
    for metric in NAMES:
        for baseline in AS_GIVEN:
            assert (metric, baseline + ALL_CELLS) in rows.index
        gap = rows.at[(metric, "model"), "value"] - rows.at[(metric, "additive"), "value"]
        assert rows.at[(metric, "model − additive"), "value"] == pytest.approx(gap)


def test_a_nan_in_the_prediction_is_the_worst(scored):
    pair, state, _ = scored
    spoiled = state.copy()
    spoiled[pair.perturbations.index("T0+T1"), 0] = np.nan
    frames, _ = interaction_rows(pair, spoiled, (), "model", 0)
    rows = pd.concat(frames).set_index(["metric", "perturbation"])["value"]
    assert rows[("interaction_pearson", "T0+T1")] == -1.0
    assert rows[("interaction_auprc", "T0+T1")] == 0.0
    assert rows[("interaction_pearson", "T2+T3")] > 0.3


def test_without_combinations_there_are_no_rows_and_a_note(screen, train):
    observed = screen.cells({"control": 60, "T4": 30, "T5": 30}, seed=4)
    predicted = screen.cells({"T4": 30, "T5": 30}, seed=5)
    pair = make_pair(predicted, observed, train)
    frames, notes = interaction_rows(pair, np.zeros((2, int(pair.gated.sum()))), (), "model", 0)
    assert frames == []
    assert "not scored" in notes[0]


def test_predicted_states_are_pseudobulks_and_spoiled_ones_nan(scored):
    pair, state, _ = scored
    cells = pair.predicted.of("T0+T1")
    expected = pseudobulk(cells.counts, cells.library, pair.target)[pair.gated]
    np.testing.assert_allclose(state[pair.perturbations.index("T0+T1")], expected)
    spoiled = predicted_states(replace(pair, spoiled=frozenset({"T4"})))
    assert np.isnan(spoiled).all(axis=1).tolist() == [name == "T4" for name in pair.perturbations]


def test_a_rule_of_another_kind_is_not_shown(scored):
    class Other:
        name, fitted, notes = "other", True, ()

    pair, state, fitted = scored
    unknown = replace(fitted[0], rule=Other())
    frames, _ = interaction_rows(pair, state, (unknown,), "model", 0)
    assert set(pd.concat(frames)["model"]) == {"model"}
