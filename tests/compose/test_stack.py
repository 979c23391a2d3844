import numpy as np
import pytest

from gpjepa.compose.stack import (
    HeldOut,
    fit_stack,
    leave_out,
    share_of_signal,
    simplex_weights,
)
from gpjepa.evaluation.effect_table import EffectTable


def test_weights_lie_on_the_simplex_and_prefer_what_is_right():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20, 5))
    predicted = np.stack([truth + rng.normal(size=truth.shape) * noise for noise in (1.0, 0.01)])
    held_out = HeldOut(("x",) * 20, truth, predicted, np.ones(20), np.ones((0, 20)))
    weights = simplex_weights(held_out)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert weights[1] > 0.95


def test_a_mean_of_two_halves_beats_either():
    rng = np.random.default_rng(0)
    truth, noise = rng.normal(size=(20, 5)), rng.normal(size=(20, 5))
    held_out = HeldOut(
        ("x",) * 20, truth, np.stack([truth + noise, truth - noise]), np.ones(20), np.ones((0, 20))
    )
    np.testing.assert_allclose(simplex_weights(held_out), 0.5, atol=0.02)


def test_every_double_is_left_out_once_and_predicted_blind(screen, alone):
    held_out = leave_out(screen, alone, 0)
    assert sorted(held_out.labels) == sorted(screen.labels[row] for row in screen.pairs.rows)
    changed = screen.effects.copy()
    row = screen.row[held_out.labels[0]]
    changed[row] = 100.0
    other = leave_out(EffectTable(screen.labels, changed), alone, 0)
    np.testing.assert_array_equal(other.predicted[:, 0], held_out.predicted[:, 0])


def test_the_stack_is_better_than_the_sum_on_doubles_left_out(screen, alone):
    left_out = screen.pairs.rows[::4]
    stack = fit_stack(screen.without(left_out), alone)
    labels = [screen.labels[row] for row in left_out]
    error = np.linalg.norm(stack.predict(alone, labels) - screen.effects[left_out], axis=1)
    additive = np.linalg.norm(alone.sums(labels) - screen.effects[left_out], axis=1)
    assert (error / additive).mean() < 0.5


def test_where_effects_add_up_the_sum_is_kept(screen, alone):
    rng = np.random.default_rng(0)
    effects = screen.effects.copy()
    labels = [screen.labels[row] for row in screen.pairs.rows]
    effects[screen.pairs.rows] = alone.sums(labels) + rng.normal(size=(len(labels), 12)) * 0.05
    stack = fit_stack(EffectTable(screen.labels, effects), alone)
    np.testing.assert_allclose(stack.predict(alone, labels), alone.sums(labels), atol=0.3)


def test_the_share_of_directions_above_noise_is_found():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 60)) * 2
    labels = tuple(f"G{index}" for index in range(40))
    table = EffectTable(labels, signal + rng.normal(size=(40, 60)) * 0.3)
    assert round(share_of_signal(table) * 40) == 3


def test_a_triple_is_predicted_from_what_doubles_taught(screen, alone):
    stack = fit_stack(screen, alone)
    labels = ["G00+G03+G06", "G01+G04+G08", "G02+G05+G07"]
    kinds = [[int(name[1:]) % 3 for name in label.split("+")] for label in labels]
    doubles = [screen.labels[row] for row in screen.pairs.rows]
    alike = [d for d in doubles if int(d[1:3]) % 3 == int(d[5:7]) % 3]
    shift = np.mean([screen.effects[screen.row[d]] for d in alike], axis=0)
    shift = shift - 0.7 * alone.sums(alike).mean(axis=0)
    pairs = np.array([sum(k[i] == k[j] for i, j in ((0, 1), (0, 2), (1, 2))) for k in kinds])
    truth = 0.7 * alone.sums(labels) + pairs[:, None] * shift
    error = np.linalg.norm(stack.predict(alone, labels) - truth, axis=1)
    assert (error < 0.6 * np.linalg.norm(alone.sums(labels) - truth, axis=1)).all()
