from __future__ import annotations

import pytest
import torch

from gpjepa.core.config import Config
from gpjepa.model.diffusion.head import DiffusionHead
from gpjepa.model.flow import FlowHead
from gpjepa.model.gpjepa import WorldModel, build_head
from gpjepa.model.variational import PredictiveHead, RecognitionHead

CELLS = 4


@pytest.fixture
def counts() -> torch.Tensor:
    return torch.poisson(torch.full((CELLS, 12), 3.0), torch.Generator().manual_seed(0))


@pytest.fixture
def library() -> torch.Tensor:
    return torch.tensor([400.0, 500.0, 600.0, 700.0])


def everything(model: WorldModel, counts, library, condition) -> torch.Tensor:
    """Return one number that every parameter of the model has a part in."""
    generator = torch.Generator().manual_seed(1)
    state = model.encoder(counts, library)
    prediction = model.predict(state, condition)
    drawn = model.head.train_step(prediction, state.flip(0), generator)
    likelihood = model.decoder(drawn.latent, library).log_likelihood(counts)
    imagined = model.decoder(model.head.sample(prediction, generator), library)
    return drawn.kl.sum() - likelihood.sum() - imagined.log_likelihood(counts).sum()


@pytest.mark.parametrize("recognition", ["target", "predictive"])
@pytest.mark.parametrize("distribution", ["nb", "zinb"])
def test_every_parameter_gets_a_gradient_from_singles_and_pairs(
    world, given, counts, library, recognition, distribution
) -> None:
    model = world(recognition, distribution, levels=(2, 3), dose=True)
    condition = given((0,), (1, 2), (3, 4), (5,), levels=(1, 2))
    dosed = type(condition)(condition.members, condition.covariates, torch.ones(CELLS))
    everything(model, counts, library, dosed).backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or float(parameter.grad.abs().sum()) == 0.0
    ]
    assert without == []


def test_parts_that_take_no_part_get_no_gradient(world, given, counts, library) -> None:
    model = world()
    everything(model, counts, library, given((0,), (1,), (2,), ())).backward()
    assert float(model.predictor.transformer.second.weight.grad.abs().sum()) == 0.0
    assert float(model.condition.residual.grad[3].abs().sum()) == 0.0
    assert float(model.condition.residual.grad[0].abs().sum()) > 0.0


@pytest.mark.parametrize(
    ("recognition", "kind"), [("target", RecognitionHead), ("predictive", PredictiveHead)]
)
def test_the_reading_of_recognition_chooses_the_head(world, recognition, kind) -> None:
    assert isinstance(world(recognition).head, kind)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("variational", RecognitionHead),
        ("auto", RecognitionHead),
        ("diffusion", DiffusionHead),
        ("flow", FlowHead),
    ],
)
def test_the_settings_name_the_head_and_what_it_is_wrapped_around(kind, expected) -> None:
    config = Config(head={"kind": kind, "evaluations": 7})
    head = build_head(config)
    assert isinstance(head, expected)
    if expected is not RecognitionHead:
        assert isinstance(head.base, RecognitionHead)
        assert head.evaluations == 7
        assert not bool(head.fitted)


def test_a_diffusion_has_the_process_and_sampler_of_the_settings() -> None:
    settings = {"process": "ve", "schedule": "quadratic", "sampler": "heun", "guidance": 2.0}
    head = build_head(Config(head={"kind": "diffusion", **settings}))
    assert type(head.process).__name__ == "VarianceExploding"
    assert (head.sampler, head.guidance) == ("heun", 2.0)


def test_prediction_by_the_model_is_that_of_its_predictor(world, given) -> None:
    model = world()
    state, condition = torch.randn(2, 6), given((0,), (1, 2))
    hidden = torch.tensor([True, False, False, False])
    plain, part = model.predict(state, condition), model.predict(state, condition, hidden)
    direct = model.predictor(state, condition, model.condition, hidden)
    assert torch.equal(part.mean, direct.mean)
    assert not torch.allclose(part.mean[0], plain.mean[0])
    torch.testing.assert_close(part.mean[1], plain.mean[1])


def test_the_decoder_has_the_rest_class_that_the_moments_have(world) -> None:
    latent, library = torch.randn(2, 6), torch.tensor([10.0, 20.0])
    with_rest, without = (world(has_rest=rest).decoder(latent, library) for rest in (True, False))
    assert with_rest.mean.shape == without.mean.shape == (2, 12)
    torch.testing.assert_close(without.mean.sum(dim=1), library)
    assert bool((with_rest.mean.sum(dim=1) < library).all())


def test_models_built_under_one_seed_are_equal(world) -> None:
    one, other = world().state_dict(), world().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_device_is_where_the_parameters_live(world) -> None:
    assert world().device() == torch.device("cpu")
    assert world().to("meta").device() == torch.device("meta")
