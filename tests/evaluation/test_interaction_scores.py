"""Scores of predicted interactions on effect tables."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interaction_noise import TableErrors
from gpjepa.evaluation.interaction_scores import score_interactions

METRICS = ("interaction_pearson", "interaction_auprc", "interaction_auprc_pairs")


def screen(strength: float = 1.0) -> tuple[EffectTable, list[str], np.ndarray, TableErrors]:
    """Make 20 doubles of which every second one has 5 interacting genes of 60."""
    draw = np.random.default_rng(3)
    names = [f"P{index:02d}" for index in range(21)]
    labels = [f"{a}+{b}" for a, b in pairwise(names)]
    singles = draw.normal(scale=0.5, size=(21, 60))
    extra = np.zeros((20, 60))
    extra[::2, :5] = strength * draw.choice([-1.5, 1.5], size=(10, 5))
    doubles = singles[:-1] + singles[1:] + extra
    states = np.concatenate([singles, doubles])
    states = states + draw.normal(scale=0.05, size=states.shape)
    errors = TableErrors(np.full(states.shape, 0.05), np.full(60, 0.01))
    return EffectTable((*names, *labels), states), labels, extra, errors


def test_true_interactions_win_everywhere_and_none_get_chance():
    table, labels, extra, errors = screen()
    predicted = {"truth": extra, "additive": np.zeros_like(extra)}
    scores = score_interactions(table, predicted, labels, errors).set_index(["metric", "model"])
    for metric in METRICS:
        truth, none = scores.loc[(metric, "truth")], scores.loc[(metric, "additive")]
        assert truth["value"] > none["value"]
        assert none["value"] == pytest.approx(none["chance"])
        assert none["base_rate"] <= none["chance"] < truth["low"]
    assert scores.at[("interaction_auprc_pairs", "truth"), "value"] == pytest.approx(1.0)
    assert scores.at[("interaction_auprc_pairs", "truth"), "base_rate"] == pytest.approx(0.5)
    assert scores.at[("interaction_auprc", "truth"), "n"] == 10


def test_the_scores_of_all_baselines_lie_in_their_intervals():
    table, labels, extra, errors = screen()
    noisy = extra + np.random.default_rng(0).normal(scale=0.5, size=extra.shape)
    scores = score_interactions(table, {"noisy": noisy}, labels, errors)
    assert ((scores["low"] <= scores["value"]) & (scores["value"] <= scores["high"])).all()


def test_a_nan_costs_and_without_interactions_there_is_no_precision():
    table, labels, extra, errors = screen()
    spoiled = extra.copy()
    spoiled[0, 0] = np.nan
    both = score_interactions(table, {"whole": extra, "spoiled": spoiled}, labels, errors)
    values = both.pivot(index="metric", columns="model", values="value")
    assert (values["spoiled"] < values["whole"]).all()
    table, labels, extra, errors = screen(strength=0.0)
    scores = score_interactions(table, {"none": extra}, labels, errors).set_index("metric")
    assert np.isnan(scores.at["interaction_auprc", "value"])
    assert np.isnan(scores.at["interaction_auprc_pairs", "value"])


def test_labels_and_shapes_that_do_not_fit_are_refused():
    table, labels, extra, errors = screen()
    with pytest.raises(DataError, match="'P00' is no measured combination"):
        score_interactions(table, {}, ["P00"], errors)
    with pytest.raises(DataError, match="no combination to score"):
        score_interactions(table, {}, [], errors)
    with pytest.raises(DataError, match="shapes differ"):
        score_interactions(table, {"m": extra[:3]}, labels, errors)
