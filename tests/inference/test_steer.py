from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.inference.means import control_shares, encode_controls, mean_shares
from gpjepa.inference.respond import respond
from gpjepa.inference.steer import LEAST_REST, attainable, steer

TARGET = 100.0


@pytest.fixture(params=[True, False])
def settled(request, built, table, given):
    """Return a model with or without a rest, its controls, offsets and the condition A+B."""
    model = built(0, "nb", request.param).model
    controls = encode_controls(model, table)
    offset = controls.offset(float(controls.library.sum()))
    return model, controls, offset, given(len(table), 0, 1)


def test_a_steered_population_has_the_mean_effect_that_was_wanted(settled) -> None:
    model, controls, offset, condition = settled
    base = control_shares(model, controls, offset)
    effect = torch.linspace(-0.6, 0.6, model.decoder.genes)
    wanted = attainable(base, effect, TARGET, model.decoder.has_rest)
    shift = steer(model, controls, condition, wanted, 0, offset)
    made = mean_shares(model, controls, condition, 0, offset + shift)
    assert torch.allclose(made, wanted, rtol=2e-3)
    if model.decoder.has_rest:  # nothing had to give way
        found = torch.log1p(TARGET * made) - torch.log1p(TARGET * base)
        assert torch.allclose(found, effect, atol=3e-3)


def test_sampled_counts_follow_within_their_sampling_error(built, table, given) -> None:
    model = built(0).model
    controls = encode_controls(model, table)
    offset = controls.offset(float(controls.library.sum()))
    base = control_shares(model, controls, offset)
    wanted = attainable(base, torch.linspace(-0.5, 0.5, model.decoder.genes), TARGET, True)
    shift = steer(model, controls, given(len(table), 0), wanted, 0, offset)
    source = np.tile(np.arange(len(table)), 300)
    drawn = respond(model, table, given(len(source), 0), source, offset, 0, shift)
    share = (
        drawn.counts.sum(axis=0).A1
        if hasattr(drawn.counts.sum(axis=0), "A1")
        else (np.asarray(drawn.counts.sum(axis=0)).ravel())
    )
    share = share / drawn.library.sum()
    assert np.allclose(share / wanted.numpy(), 1.0, atol=0.12)


def test_what_a_library_cannot_hold_is_kept_to_it() -> None:
    control = torch.full((4,), 0.2)
    full = attainable(control, torch.full((4,), 2.0), TARGET, True)
    assert float(full.sum()) == pytest.approx(1.0 - LEAST_REST)
    assert float(attainable(control, torch.zeros(4), TARGET, False).sum()) == pytest.approx(1.0)
    assert (attainable(control, torch.full((4,), -9.0), TARGET, True) > 0).all()


def test_no_effect_is_the_control_itself() -> None:
    control = torch.tensor([0.1, 0.2, 0.3])
    assert torch.allclose(attainable(control, torch.zeros(3), TARGET, True), control)
