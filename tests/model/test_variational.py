from __future__ import annotations

import pytest
import torch

from gpjepa.model.predictor import LOG_VARIANCE_LIMIT, Prediction
from gpjepa.model.variational import Gaussian, PredictiveHead, RecognitionHead, gaussian_kl

LATENT, HIDDEN, CELLS = 4, 8, 5


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(seed: int, cells: int = CELLS) -> Gaussian:
    source = generator(seed)
    mean, spread = (torch.randn((cells, LATENT), generator=source) for _ in range(2))
    return Gaussian(mean, spread)


@pytest.fixture
def prediction() -> Prediction:
    parts = [torch.randn((CELLS, LATENT), generator=generator(seed)) for seed in range(3)]
    state, first, second = parts
    spread = 0.3 * torch.randn((CELLS, LATENT), generator=generator(3))
    return Prediction(state + first + second, spread, first, second)


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randn((CELLS, LATENT), generator=generator(9))


def test_kl_is_that_of_torch_distributions() -> None:
    q, p = gaussian(0), gaussian(1)
    normal = torch.distributions.Normal
    one, other = (normal(x.mean, torch.exp(0.5 * x.log_variance)) for x in (q, p))
    expected = torch.distributions.kl_divergence(one, other)
    torch.testing.assert_close(gaussian_kl(q, p), expected)


def test_kl_is_the_monte_carlo_mean_of_the_log_ratio() -> None:
    draws = 200_000
    q, p = gaussian(0, 1), gaussian(1, 1)
    many = Gaussian(q.mean.expand(draws, -1), q.log_variance.expand(draws, -1))
    z = many.sample(generator())

    def log_density(x: Gaussian) -> torch.Tensor:
        return -0.5 * (x.log_variance + (z - x.mean).square() * torch.exp(-x.log_variance))

    ratio = log_density(q) - log_density(p)
    error = ratio.std(dim=0) / draws**0.5
    assert bool(((ratio.mean(dim=0) - gaussian_kl(q, p)[0]).abs() < 4 * error).all())


def test_kl_is_zero_between_equals_and_positive_otherwise() -> None:
    assert float(gaussian_kl(gaussian(0), gaussian(0)).abs().max()) < 1e-6
    assert float(gaussian_kl(gaussian(0), gaussian(1)).min()) > 0.0


def test_samples_have_the_mean_and_variance_of_the_gaussian() -> None:
    one = gaussian(2, 1)
    many = Gaussian(one.mean.expand(100_000, -1), one.log_variance.expand(100_000, -1))
    drawn = many.sample(generator())
    torch.testing.assert_close(drawn.mean(dim=0), one.mean[0], rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.var(dim=0), one.log_variance[0].exp(), rtol=0.03, atol=0)


def test_samples_pass_gradients_to_mean_and_log_variance() -> None:
    source = gaussian(4)
    mean, spread = source.mean.requires_grad_(), source.log_variance.requires_grad_()
    drawn = Gaussian(mean, spread).sample(generator())
    drawn.sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones_like(mean))
    torch.testing.assert_close(spread.grad, 0.5 * (drawn - mean).detach())


@pytest.mark.parametrize("kind", [RecognitionHead, PredictiveHead])
def test_generation_draws_from_the_predictor_whatever_the_head_has_learned(
    kind, prediction, awaken
) -> None:
    torch.manual_seed(0)
    head = kind(LATENT, HIDDEN)
    expected = Gaussian(prediction.mean, prediction.log_variance).sample(generator(5))
    awaken(head)
    assert torch.equal(head.sample(prediction, generator(5)), expected)


def test_recognition_starts_near_the_target_with_a_small_variance(prediction, target) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        q = RecognitionHead(LATENT, HIDDEN).recognise(prediction, target)
    assert float((q.mean - target).square().mean()) < 0.1 * float(target.square().mean())
    assert float(q.log_variance.max()) < -1.0


def test_recognition_sees_both_target_and_prediction(prediction, target, awaken) -> None:
    torch.manual_seed(2)
    head = RecognitionHead(LATENT, HIDDEN)
    awaken(head)
    base = head.recognise(prediction, target)
    moved = Prediction(
        prediction.mean + 1.0,
        prediction.log_variance,
        prediction.first_order,
        prediction.second_order,
    )
    other = head.recognise(moved, target)
    assert float((base.mean - other.mean).detach().norm()) > 0.01
    shifted = head.recognise(prediction, target + 1.0)
    assert float((shifted.mean - base.mean - 1.0).detach().norm()) > 0.01


def test_recognition_pays_the_kl_to_the_predictor(prediction, target) -> None:
    torch.manual_seed(3)
    head = RecognitionHead(LATENT, HIDDEN)
    q = head.recognise(prediction, target)
    out = head.train_step(prediction, target, generator(6))
    assert torch.equal(out.latent, q.sample(generator(6)))
    prior = Gaussian(prediction.mean, prediction.log_variance)
    assert torch.equal(out.kl, gaussian_kl(q, prior))


def test_the_log_variance_of_recognition_is_bounded(prediction, target) -> None:
    torch.manual_seed(4)
    head = RecognitionHead(LATENT, HIDDEN)
    with torch.no_grad():
        head.log_variance.weight *= 1e5
    spread = head.recognise(prediction, target).log_variance.detach().abs()
    assert float(spread.max()) <= LOG_VARIANCE_LIMIT


def test_the_predictive_head_never_looks_at_the_target(prediction, target) -> None:
    torch.manual_seed(5)
    head = PredictiveHead(LATENT, HIDDEN)
    one = head.train_step(prediction, target, generator())
    other = head.train_step(prediction, target + 100.0, generator())
    assert torch.equal(one.latent, other.latent)
    assert torch.equal(one.kl, other.kl)


def test_the_predictive_head_draws_from_the_predictor_and_pays_the_kl_to_its_prior(
    prediction, target, awaken
) -> None:
    torch.manual_seed(6)
    head = PredictiveHead(LATENT, HIDDEN)
    before = head.train_step(prediction, target, generator(7))
    awaken(head)
    after = head.train_step(prediction, target, generator(7))
    expected = Gaussian(prediction.mean, prediction.log_variance).sample(generator(7))
    assert torch.equal(before.latent, expected)
    assert torch.equal(after.latent, expected)
    assert not torch.allclose(before.kl, after.kl)


def test_the_prior_of_the_predictive_head_is_anchored_at_the_state(prediction, target) -> None:
    torch.manual_seed(7)
    head = PredictiveHead(LATENT, HIDDEN)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
    state = prediction.mean - prediction.first_order - prediction.second_order
    standard = Gaussian(state, torch.zeros_like(state))
    expected = gaussian_kl(Gaussian(prediction.mean, prediction.log_variance), standard)
    torch.testing.assert_close(head.train_step(prediction, target, generator()).kl, expected)
