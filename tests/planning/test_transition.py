from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.core.random import torch_stream

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("rollouts.py"))))


@pytest.fixture
def transition():
    return made.make_transition()


def test_a_step_draws_from_the_predictor_given_the_state_before(transition) -> None:
    origin = transition.origin
    states = torch.stack((origin.start, origin.start + 1.0))
    found = transition(states, np.array([2, 4]), 1)
    for state, action, moved in zip(states, (2, 4), found, strict=True):
        condition = origin.condition(torch.tensor([[action]]))
        with torch.no_grad():
            prediction = origin.model.predict(state, condition)
            expected = origin.model.head.sample(prediction, torch_stream(0, "sequence", 1))
        torch.testing.assert_close(moved, expected)


def test_all_actions_of_a_step_see_the_same_noise(transition) -> None:
    with torch.no_grad():
        for part in ("log_variance",):
            layer = getattr(transition.origin.model.predictor.transformer, part)
            layer.weight.zero_()
            layer.bias.fill_(0.0)
    states = transition.origin.start.expand(2, -1, -1)
    first, second = transition(states, np.array([0, 3]), 0)
    condition = transition.origin.condition(torch.tensor([[0], [3]]))
    with torch.no_grad():
        mean = transition.origin.model.predict(states.flatten(0, 1), condition).mean
    noise = first - mean[: len(first)]
    torch.testing.assert_close(noise, second - mean[len(first) :], atol=1e-5, rtol=0)
    assert noise.std() > 0.5
    later = transition(states, np.array([0, 3]), 1)[0] - mean[: len(first)]
    assert (later - noise).abs().max() > 0.1


def test_populations_in_parts_are_those_at_once(transition, monkeypatch) -> None:
    states = transition.origin.start.expand(5, -1, -1)
    whole = transition(states, np.arange(5), 0)
    monkeypatch.setitem(type(transition).apply.__globals__, "ROWS", 2 * transition.cells)
    torch.testing.assert_close(transition(states, np.arange(5), 0), whole)


def test_no_populations_give_none(transition) -> None:
    assert len(transition(transition.origin.start[None][:0], np.zeros(0), 0)) == 0


def test_a_model_that_forgets_its_state_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"predictor\.state = 'mean'.*'cell'"):
        made.make_transition(origin=made.make_origin("mean"))
