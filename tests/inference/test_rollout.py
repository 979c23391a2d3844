from __future__ import annotations

import numpy as np
import pytest

from gpjepa.inference.means import encode_controls, mean_shares
from gpjepa.inference.rollout import roll_out

CELLS = 40_000


@pytest.fixture
def source(table) -> np.ndarray:
    return np.arange(CELLS) % len(table)


def pooled(population) -> np.ndarray:
    return np.asarray(population.counts.sum(axis=0)).ravel() / population.library.sum()


def test_each_step_acts_on_the_state_that_the_last_one_left(
    model, table, given, source, room, quiet
) -> None:
    quiet(model)
    steps = [given(CELLS, 0), given(CELLS, 1, 2)]
    found = pooled(roll_out(model, table, steps, source, room, 0))
    controls = encode_controls(model, table)
    state = controls.state
    for members in ((0,), (1, 2)):
        state = model.predict(state, given(len(table), *members)).mean
    weight = controls.library / controls.library.sum()
    expected = (weight @ model.decoder.mean_shares(state, room)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0.04)
    once = mean_shares(model, controls, given(len(table), 1, 2), 0, room).numpy()
    assert np.abs(np.log(found / once)).max() > 0.2


def test_one_step_is_a_prediction(model, table, given, source, room) -> None:
    found = pooled(roll_out(model, table, [given(CELLS, 0)], source, room, 0))
    controls = encode_controls(model, table)
    expected = mean_shares(model, controls, given(len(table), 0), 0, room, samples=200)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0.05)


def test_the_order_of_steps_matters(model, table, given, source, room, quiet) -> None:
    quiet(model)
    steps = [given(CELLS, 0), given(CELLS, 1)]
    forward, backward = (
        pooled(roll_out(model, table, order, source, room, 0)) for order in (steps, steps[::-1])
    )
    assert np.abs(np.log(forward / backward)).max() > 0.1


def test_no_steps_give_the_decoded_control(model, table, source, room) -> None:
    found = pooled(roll_out(model, table, [], source, room, 0))
    controls = encode_controls(model, table)
    weight = controls.library / controls.library.sum()
    expected = (weight @ model.decoder.mean_shares(controls.state, room)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0.04)


def test_a_rollout_repeats_for_a_seed_and_differs_between_seeds(model, table, given) -> None:
    source = np.arange(20)
    steps = [given(20, 0), given(20, 3)]
    one, again, other = (
        roll_out(model, table, steps, source, None, seed).counts.toarray() for seed in (0, 0, 1)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("has_rest", [True, False])
def test_a_rollout_is_raw_counts_within_its_library(built, table, given, has_rest) -> None:
    source = np.arange(len(table))
    model = built(has_rest=has_rest).model
    drawn = roll_out(model, table, [given(len(table), 0)] * 3, source, None, 0)
    sums = np.asarray(drawn.counts.sum(axis=1)).ravel()
    assert drawn.counts.format == "csr"
    assert drawn.counts.dtype == np.int32
    assert sums.min() > 0
    assert (sums <= drawn.library).all()
    np.testing.assert_array_equal(drawn.library, table.library if has_rest else sums)
