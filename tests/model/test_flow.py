from __future__ import annotations

import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion import NonFiniteScore
from gpjepa.model.flow import FlowHead
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import RecognitionHead

LATENT, CELLS = 4, 6


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def predicted(cells: int = CELLS, seed: int = 0) -> Prediction:
    draws = torch.randn((4, cells, LATENT), generator=generator(seed))
    state, first, second, spread = draws[0], draws[1], 0.3 * draws[2], 0.2 * draws[3]
    return Prediction(state + first + second, spread, first, second)


def small(**settings: object) -> FlowHead:
    torch.manual_seed(0)
    return FlowHead(RecognitionHead(LATENT, 8), width=16, layers=1, **settings)  # type: ignore[arg-type]


def alive(head: FlowHead) -> FlowHead:
    with torch.no_grad():
        for index, parameter in enumerate(head.network.parameters()):
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator(index)))
    head.finish()
    return head


class GaussianFlow(FlowHead):
    """A flow whose velocity is the analytic one of N(mean, deviation²) residuals."""

    mean, deviation = torch.tensor([1.0, -0.5, 0.0, 2.0]), torch.tensor([0.3, 1.0, 2.0, 0.1])

    def velocity(self, x: torch.Tensor, time: torch.Tensor, told: object) -> torch.Tensor:
        variance = (1 - time).square() + time.square() * self.deviation**2
        slope = (time * self.deviation**2 - (1 - time)) / variance
        return self.mean + slope * (x - time * self.mean)


@pytest.mark.parametrize("solver", ["heun", "euler"])
def test_the_analytic_velocity_of_a_gaussian_recovers_it(solver: str) -> None:
    rows = 4000
    flow = GaussianFlow(RecognitionHead(LATENT, 8), solver=solver, evaluations=200)  # type: ignore[arg-type]
    flow.finish()
    x = flow.residuals(predicted(rows), generator()).latent
    assert bool(((x.mean(dim=0) - flow.mean).abs() < 4 * flow.deviation / rows**0.5 + 0.01).all())
    tolerance = 0.12 if solver == "euler" else 0.05  # Euler's is of first order
    torch.testing.assert_close(x.std(dim=0), flow.deviation, rtol=tolerance, atol=0.0)


def test_the_loss_is_least_at_the_conditional_mean_of_the_velocity() -> None:
    prediction = predicted(4000)
    flow = GaussianFlow(RecognitionHead(LATENT, 8))
    residual = flow.mean + flow.deviation * torch.randn((4000, LATENT), generator=generator(1))
    latent = prediction.mean + residual

    def loss(factor: float) -> float:
        flow.velocity = lambda x, t, told: factor * GaussianFlow.velocity(flow, x, t, told)  # type: ignore[method-assign]
        return float(flow.loss(prediction, latent, generator(2)))

    assert loss(1.0) < min(loss(0.9), loss(1.1))


def test_only_the_network_gets_gradients_from_the_loss() -> None:
    head, prediction = small(), predicted()
    head.loss(prediction, prediction.mean + 1.0, generator()).backward()
    assert all(parameter.grad is None for parameter in head.base.parameters())
    assert float(head.network.free.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    ("solver", "asked", "made"), [("heun", 20, 20), ("euler", 20, 20), ("heun", 7, 6)]
)
def test_evaluations_are_counted(solver: str, asked: int, made: int) -> None:
    calls = []
    head = alive(small(solver=solver, evaluations=asked))
    head.network.register_forward_hook(lambda *_: calls.append(1))
    assert head.residuals(predicted(), generator()).evaluations == len(calls) == made


def test_velocities_that_are_not_finite_name_step_and_rows() -> None:
    head, prediction = alive(small()), predicted()
    first = prediction.first_order.clone()
    first[2] = torch.nan
    broken = Prediction(prediction.mean, prediction.log_variance, first, prediction.second_order)
    with pytest.raises(NonFiniteScore) as found:
        head.sample(broken, generator())
    assert (found.value.step, found.value.rows) == (0, (2,))


@pytest.mark.parametrize(
    "settings",
    [{"solver": "midpoint"}, {"evaluations": 1}, {"dropout": 1.0}, {"dropout": -0.1}],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected heun or euler, at least 2 evaluations"):
        small(**settings)
