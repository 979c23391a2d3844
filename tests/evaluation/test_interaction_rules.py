"""Interactions that baselines predict."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.baselines import fit_effect_baselines
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interaction_rules import own_interaction, refitted, rule_interactions

SINGLES = tuple("ABCDEF")
TRAINED = ("A+B", "A+C", "B+D", "C+E", "D+F", "A+F", "B+E", "C+D", "E+F")
ASKED = ("A+D", "B+F", "A+B+C")


def table(seed: int = 0) -> EffectTable:
    draw = np.random.default_rng(seed)
    singles = dict(zip(SINGLES, draw.normal(size=(6, 20)), strict=True))
    doubles = [0.8 * (singles[a] + singles[b]) for a, b in (t.split("+") for t in TRAINED)]
    effects = np.stack([*singles.values(), *doubles])
    return EffectTable((*SINGLES, *TRAINED), effects, np.array([f"g{i}" for i in range(20)]))


def test_neither_the_sum_nor_no_change_has_an_interaction():
    for rule in fit_effect_baselines(table()):
        if rule.name in ("no change", "additive"):
            np.testing.assert_array_equal(own_interaction(rule, ASKED), 0.0)


def test_a_factor_on_the_sum_is_an_interaction_of_what_it_takes_away():
    (rule,) = (rule for rule in fit_effect_baselines(table()) if rule.name == "scaled additive")
    expected = (rule.factor - 1.0) * table().sums(ASKED)
    np.testing.assert_allclose(own_interaction(rule, ASKED), expected)


def test_rules_that_do_not_apply_are_left_out():
    found = rule_interactions(fit_effect_baselines(table()), ASKED)
    assert "linear" not in found
    assert {"no change", "training mean", "additive", "scaled additive", "strong"} <= set(found)


@pytest.mark.parametrize("index", range(7))
def test_refitting_on_another_table_is_fitting_there(index):
    first, second = table(0), table(1)
    again = refitted(fit_effect_baselines(first)[index], second)
    fresh = fit_effect_baselines(second)[index]
    if again.name == "strong":
        assert again.settings == fit_effect_baselines(first)[index].settings
        again = refitted(fresh, second)
    np.testing.assert_allclose(again.effects(ASKED), fresh.effects(ASKED))
