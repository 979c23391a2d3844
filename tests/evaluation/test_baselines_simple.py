"""Averages and sums of training effects."""

from __future__ import annotations

import numpy as np
import pytest

from gpjepa.evaluation.baselines_simple import (
    Additive,
    MatchingMean,
    NoChange,
    TrainingMean,
    fit_scaled_additive,
)
from gpjepa.evaluation.effect_table import EffectTable

RNG = np.random.default_rng(0)
EFFECTS = RNG.normal(size=(5, 4))
TABLE = EffectTable(("A", "B", "C", "A+B", "C+D"), EFFECTS)
A, B, C, AB, CD = EFFECTS


def test_no_change_is_zero():
    assert not NoChange(TABLE).effects(["A", "X+Y"]).any()


def test_training_mean_ignores_the_label():
    predicted = TrainingMean(TABLE).effects(["A", "X+Y"])
    np.testing.assert_allclose(predicted, np.stack([EFFECTS.mean(axis=0)] * 2))


def test_matching_mean_takes_the_single_then_the_combinations_then_the_mean():
    predicted = MatchingMean(TABLE).effects(["A+C", "A+D", "A+X", "X"])
    mean = EFFECTS.mean(axis=0)
    expected = [(A + C) / 2, (A + CD) / 2, (A + mean) / 2, mean]
    np.testing.assert_allclose(predicted, expected)


def test_additive_adds_any_number_of_members_and_does_not_apply_without_a_single():
    predicted = Additive(TABLE).effects(["A+C", "A+B+C", "B", "A+D"])
    np.testing.assert_allclose(predicted[:3], [A + C, A + B + C, B])
    assert np.isnan(predicted[3]).all()


def test_scaled_additive_learns_the_least_squares_factor():
    sums = A + B
    fitted = fit_scaled_additive(TABLE)
    grid = np.linspace(-2, 2, 40001)
    best = grid[np.argmin([((AB - f * sums) ** 2).sum() for f in grid])]
    assert fitted.factor == pytest.approx(best, abs=1e-3)
    assert fitted.fitted
    np.testing.assert_allclose(fitted.effects(["A+C"])[0], fitted.factor * (A + C))
    np.testing.assert_allclose(fitted.effects(["A"])[0], A)


def test_scaled_additive_recovers_a_true_factor():
    singles = RNG.normal(size=(6, 30))
    doubles = [0.7 * (singles[i] + singles[i + 1]) for i in range(5)]
    names = tuple("ABCDEF")
    pairs = tuple(f"{names[i]}+{names[i + 1]}" for i in range(5))
    fitted = fit_scaled_additive(EffectTable(names + pairs, np.vstack([singles, doubles])))
    assert fitted.factor == pytest.approx(0.7)


def test_without_doubles_the_factor_is_one_and_says_that_it_is_not_fitted():
    fitted = fit_scaled_additive(EffectTable(("A", "B", "C+D"), EFFECTS[:3]))
    assert (fitted.factor, fitted.fitted) == (1.0, False)
    assert "not fitted" in fitted.notes[0]
