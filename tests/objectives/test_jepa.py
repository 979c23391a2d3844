from __future__ import annotations

import pytest
import torch

from gpjepa.objectives.jepa import latent_prediction


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    predicted, teacher = (torch.randn((6, 4), generator=generator) for _ in range(2))
    return predicted.requires_grad_(), teacher.requires_grad_()


def test_the_term_is_half_a_squared_distance_summed_over_dimensions() -> None:
    predicted, teacher = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0]] * 2)
    assert float(latent_prediction(predicted, teacher)) == pytest.approx((0.5 * 4 + 0.5 * 1) / 2)


def test_the_term_is_the_nats_of_a_unit_gaussian_above_its_floor(pair) -> None:
    predicted, teacher = (x.detach() for x in pair)
    normal = torch.distributions.Normal(predicted, 1.0)
    floor = torch.distributions.Normal(0.0, 1.0).log_prob(torch.zeros(6, 4))
    nats = (floor - normal.log_prob(teacher)).sum(dim=1).mean()
    torch.testing.assert_close(latent_prediction(predicted, teacher), nats)


def test_the_teacher_gets_no_gradient(pair) -> None:
    predicted, teacher = pair
    latent_prediction(predicted, teacher).backward()
    assert teacher.grad is None
    torch.testing.assert_close(predicted.grad, (predicted - teacher).detach() / 6)


def test_doubling_the_dimensions_doubles_the_term_and_doubling_the_cells_does_not(pair) -> None:
    predicted, teacher = (x.detach() for x in pair)
    once = latent_prediction(predicted, teacher)
    wide = latent_prediction(predicted.repeat(1, 2), teacher.repeat(1, 2))
    torch.testing.assert_close(wide, 2.0 * once)
    torch.testing.assert_close(
        latent_prediction(predicted.repeat(2, 1), teacher.repeat(2, 1)), once
    )
