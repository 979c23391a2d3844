"""Precision at ten per class of genetic interaction."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.data.datasets import baseline, interaction_classes, load
from gpjepa.data.labels import members_of
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interaction_classes import CLASSES, precision_at, score_classes

COEFFICIENTS = {"synergy_similar": 1.6, "suppressor": 0.3, "additive": 1.0}


def screen(copies: int = 12, genes: int = 20) -> tuple[EffectTable, dict[str, str]]:
    """Make doubles that are a multiple of the sum, by class."""
    draw = np.random.default_rng(4)
    labels, rows, classes = [], [], {}
    for name, factor in COEFFICIENTS.items():
        for copy in range(copies):
            first, second = f"{name[:3]}{copy}a", f"{name[:3]}{copy}b"
            singles = draw.normal(size=(2, genes))
            labels += [first, second, f"{first}+{second}"]
            rows += [*singles, factor * singles.sum(axis=0)]
            classes[labels[-1]] = name
    return EffectTable(tuple(labels), np.stack(rows)), classes


def test_classes_that_are_clear_in_the_effects_are_found_by_the_truth_only():
    table, classes = screen()
    scores = score_classes(table, {}, list(classes), classes).set_index(["class", "model"])
    for name in ("synergy", "suppression"):
        assert scores.at[(name, "truth"), "precision"] == 1.0
        for comparator in ("additive", "no change"):
            found = scores.loc[(name, comparator)]
            assert found["precision"] == pytest.approx(found["base_rate"])
            assert found["share_of_truth"] == pytest.approx(1 / 3)


def test_a_model_that_swaps_synergy_and_suppression_finds_neither():
    table, classes = screen()
    labels = list(classes)
    true = np.stack([table.effects[table.row[label]] for label in labels])
    factor = np.array([COEFFICIENTS[classes[label]] for label in labels])[:, None]
    swapped = true / factor**2
    scores = score_classes(table, {"swapped": swapped}, labels, classes)
    found = scores[scores["model"] == "swapped"].set_index("class")["precision"]
    assert found["synergy"] == found["suppression"] == 0.0


def test_doubles_are_compared_with_the_singles_of_their_model_where_it_has_its_own():
    table, classes = screen()
    labels = list(classes)
    own = np.stack([table.effects[table.single_rows(label)] for label in labels])
    noise = np.random.default_rng(1).normal(size=own.shape)
    other = 0.1 * own + noise  # the model's singles, and what it makes of them
    factor = np.array([COEFFICIENTS[classes[label]] for label in labels])[:, None]
    doubles = {"own": factor * other.sum(axis=1), "measured": factor * other.sum(axis=1)}
    scores = score_classes(table, doubles, labels, classes, {"own": other})
    found = scores.set_index(["class", "model"])["precision"]
    assert found["suppression", "own"] == found["synergy", "own"] == 1.0
    assert found["suppression", "measured"] < 1.0
    with pytest.raises(DataError, match="predicted by 'own'"):
        score_classes(table, doubles, labels, classes, {"own": other[:, 0]})


def test_a_nan_is_looked_at_last():
    table, classes = screen()
    labels = list(classes)
    true = np.stack([table.effects[table.row[label]] for label in labels])
    spoiled = np.where(
        np.array([classes[x] == "suppressor" for x in labels])[:, None], np.nan, true
    )
    scores = score_classes(table, {"spoiled": spoiled}, labels, classes)
    assert scores.set_index(["class", "model"]).at[("suppression", "spoiled"), "precision"] == 0.0


def test_ties_count_by_their_chance_and_few_positives_have_a_lower_best():
    positive = np.arange(30) < 8
    assert precision_at(np.ones(30), positive) == pytest.approx(8 / 30)
    assert precision_at(-np.arange(30.0), positive) == pytest.approx(0.8)
    assert precision_at(np.array([2.0, 1.0, 1.0]), np.array([0, 1, 0]), size=2) == 0.25


def test_labels_without_class_or_singles_are_left_out_and_none_left_is_refused():
    table, classes = screen(copies=4)
    label = next(iter(classes))
    scores = score_classes(table, {}, [label, "X+Y", "syn1a"], {**classes, "X+Y": "additive"})
    assert set(scores["n"]) == {1}
    with pytest.raises(DataError, match="none of 1 labels"):
        score_classes(table, {}, ["X+Y"], classes)
    with pytest.raises(DataError, match="predicted by 'm'"):
        score_classes(table, {"m": np.zeros((1, 3))}, [label], classes)


def test_published_classes_are_those_of_norman_and_each_is_scored_once():
    published = set(interaction_classes().values())
    scored = [name for kind in CLASSES for name in kind.published]
    assert set(scored) == published - {"additive", "potentiation"}
    assert len(scored) == len(set(scored))


def test_measured_norman_effects_find_their_classes_above_chance_but_not_perfectly():
    table = load("norman-effects")
    expression = baseline("k562")["relative_expression"] * 1e6
    targets = {member for label in table.obs_names for member in members_of(label)}
    use = [g for g in table.var_names if expression.get(g, 0.0) >= 10 and g not in targets]
    assert len(use) == 368
    effects = EffectTable(tuple(table.obs_names), np.asarray(table[:, use].X, dtype=np.float64))
    scores = score_classes(effects, {}, [x for x in effects.labels if "+" in x])
    truth = scores[scores["model"] == "truth"].set_index("class")
    assert set(truth["n"]) == {86}
    expected = {
        "synergy": 0.6,
        "suppression": 0.4,
        "neomorphism": 0.8,
        "redundancy": 0.4,
        "epistasis": 0.5,
    }
    assert truth["precision"].to_dict() == pytest.approx(expected)
    assert (truth["precision"] > truth["base_rate"]).all()
    assert truth.loc[["redundancy", "epistasis"], "best"].tolist() == [0.8, 0.8]
    additive = scores[scores["model"] == "additive"].set_index("class")["precision"]
    assert additive["redundancy"] > truth.at["redundancy", "precision"]
