from __future__ import annotations

import pytest
import torch

from gpjepa.model.diffusion import DiffusionHead
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.flow import FlowHead
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import RecognitionHead

LATENT, CELLS = 4, 6


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def predicted() -> Prediction:
    draws = torch.randn((4, CELLS, LATENT), generator=generator())
    state, first, second, spread = draws[0], draws[1], 0.3 * draws[2], 0.2 * draws[3]
    return Prediction(state + first + second, spread, first, second)


def new(kind: type[ResidualHead]) -> ResidualHead:
    torch.manual_seed(0)
    return kind(RecognitionHead(LATENT, 8), width=16, layers=1)  # type: ignore[call-arg]


@pytest.fixture(params=[DiffusionHead, FlowHead], ids=["diffusion", "flow"])
def head(request: pytest.FixtureRequest) -> ResidualHead:
    return new(request.param)


def alive(head: ResidualHead) -> ResidualHead:
    """Give the network something to say without fitting it."""
    own = [p for name, p in head.named_parameters() if not name.startswith("base.")]
    with torch.no_grad():
        for index, parameter in enumerate(own):
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator(index)))
    head.finish()
    return head


def test_before_fitting_it_is_the_variational_head(head: ResidualHead) -> None:
    prediction, target, base = predicted(), torch.randn((CELLS, LATENT)), head.base
    assert not bool(head.fitted)
    assert torch.equal(head.sample(prediction, generator()), base.sample(prediction, generator()))
    own = head.train_step(prediction, target, generator())
    expected = base.train_step(prediction, target, generator())
    assert torch.equal(own.latent, expected.latent)
    assert torch.equal(own.kl, expected.kl)


def test_after_fitting_training_still_is_that_of_the_variational_head(head: ResidualHead) -> None:
    prediction, target = predicted(), torch.randn((CELLS, LATENT))
    own = alive(head).train_step(prediction, target, generator())
    assert torch.equal(own.latent, head.base.train_step(prediction, target, generator()).latent)
    assert not torch.equal(
        head.sample(prediction, generator()), head.base.sample(prediction, generator())
    )


def test_samples_are_the_generators_own(head: ResidualHead) -> None:
    prediction = predicted()
    drawn = alive(head).sample(prediction, generator(1))
    assert torch.equal(drawn, head.sample(prediction, generator(1)))
    assert not torch.equal(drawn, head.sample(prediction, generator(2)))
    assert not drawn.requires_grad


def test_a_reloaded_head_draws_the_same(head: ResidualHead) -> None:
    prediction = predicted()
    alive(head).prepare(prediction, prediction.mean + 0.2)
    other = new(type(head))
    with torch.no_grad():
        other.base.shift.weight.add_(1.0)
    other.load_state_dict(head.state_dict(), strict=True)
    assert bool(other.fitted)
    assert torch.equal(other.sample(prediction, generator()), head.sample(prediction, generator()))
