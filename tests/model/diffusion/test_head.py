from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion import DiffusionHead, NonFiniteScore
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import RecognitionHead

LATENT, CELLS = 4, 6


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def predicted(cells: int = CELLS, seed: int = 0) -> Prediction:
    draws = torch.randn((4, cells, LATENT), generator=generator(seed))
    state, first, second, spread = draws[0], draws[1], 0.3 * draws[2], 0.2 * draws[3]
    return Prediction(state + first + second, spread, first, second)


def small(**settings: object) -> DiffusionHead:
    torch.manual_seed(0)
    base = RecognitionHead(LATENT, 8)
    return DiffusionHead(base, width=16, layers=1, **settings)  # type: ignore[arg-type]


def alive(head: DiffusionHead) -> DiffusionHead:
    """Give the network something to say without fitting it."""
    with torch.no_grad():
        for index, parameter in enumerate(head.denoiser.parameters()):
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator(index)))
    head.finish()
    return head


def test_an_untrained_network_has_unit_loss_and_draws_unit_residuals() -> None:
    head, prediction = small(dropout=0.0), predicted(4000)
    latent = prediction.mean + 0.7 * torch.randn((4000, LATENT), generator=generator(5))
    head.prepare(prediction, latent)
    with torch.no_grad():
        assert float(head.loss(prediction, latent, generator())) == pytest.approx(1.0, abs=0.04)
    head.finish()
    residual = (head.sample(prediction, generator()) - prediction.mean) / head.frame.scale
    assert float(residual.std()) == pytest.approx(1.0, abs=0.04)


def test_only_the_network_gets_gradients_from_the_loss() -> None:
    head, prediction = small(), predicted()
    head.loss(prediction, prediction.mean + 1.0, generator()).backward()
    assert all(parameter.grad is None for parameter in head.base.parameters())
    out = [head.denoiser.network.free.weight.grad, head.denoiser.network.along.weight.grad]
    assert all(grad is not None and float(grad.abs().sum()) > 0 for grad in out)


@pytest.mark.parametrize("process", ["vp", "ve"])
@pytest.mark.parametrize("sampler", ["ancestral", "heun", "ode"])
def test_process_schedule_and_sampler_are_no_part_of_what_is_fitted(
    process: str, sampler: str
) -> None:
    head, prediction = alive(small()), predicted(800)
    other = small(process=process, schedule="quadratic", sampler=sampler, evaluations=30)
    other.load_state_dict(head.state_dict())
    off = other.residuals(prediction, generator()).latent.std(dim=0)
    off -= head.residuals(prediction, generator(3)).latent.std(dim=0)
    assert float(off.abs().max()) < 0.15


@pytest.mark.parametrize("settings", [{}, {"sampler": "heun"}, {"process": "ve"}])
def test_twenty_evaluations_by_default(settings: dict[str, str]) -> None:
    calls = []
    head = alive(small(**settings))
    head.denoiser.network.register_forward_hook(lambda *_: calls.append(1))
    found = head.residuals(predicted(), generator())
    assert found.evaluations == len(calls)
    assert 19 <= len(calls) <= 20


def test_guidance_evaluates_the_network_twice_as_often_and_changes_the_samples() -> None:
    head, guided = alive(small()), alive(small(guidance=3.0))
    calls = []
    guided.denoiser.network.register_forward_hook(lambda *_: calls.append(1))
    drawn = guided.residuals(predicted(), generator())
    assert len(calls) == 2 * drawn.evaluations
    assert not torch.allclose(drawn.latent, head.residuals(predicted(), generator()).latent)


def test_scores_that_are_not_finite_name_step_and_rows() -> None:
    head, prediction = alive(small()), predicted()
    first = prediction.first_order.clone()
    first[2] = torch.nan
    broken = Prediction(prediction.mean, prediction.log_variance, first, prediction.second_order)
    with pytest.raises(NonFiniteScore) as found:
        head.sample(broken, generator())
    assert (found.value.step, found.value.rows) == (0, (2,))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"evaluations": 1}, "at least 2 evaluations"),
        ({"guidance": -0.5}, "guidance of at least 0"),
        ({"guidance": float("nan")}, "guidance of at least 0"),
        ({"dropout": 1.0}, "dropout within"),
        ({"process": "sub-vp"}, "expected vp or ve"),
        ({"schedule": "sigmoid"}, "linear, cosine, quadratic"),
        ({"sampler": "euler"}, "ancestral, heun, ode"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small(**settings)


def fit(head: DiffusionHead, prediction: Prediction, latent: torch.Tensor, steps: int) -> None:
    head.prepare(prediction, latent)
    optimizer = torch.optim.Adam(head.denoiser.parameters(), 5e-3)
    source = generator(1)
    for _ in range(steps):
        rows = torch.randint(len(latent), (256,), generator=source)
        loss = head.loss(prediction.rows(rows), latent[rows], source)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    head.finish()


def bimodal(
    direction: Callable[[int], torch.Tensor], cells: int
) -> tuple[Prediction, torch.Tensor]:
    """Draw cells of which half stay at −shift and half go beyond, unit noise around both."""
    state = torch.randn((cells, LATENT), generator=generator(7))
    shift, zero = direction(cells), torch.zeros((cells, LATENT))
    side = torch.where(torch.rand((cells, 1), generator=generator(8)) < 0.5, 1.0, -1.0)
    noise = 0.7 * torch.randn((cells, LATENT), generator=generator(9))
    return Prediction(state + shift, zero, shift, zero), state + shift + side * shift + noise


@pytest.mark.slow
def test_two_modes_along_the_shift_hold_in_a_direction_never_seen() -> None:
    def axes(cells: int) -> torch.Tensor:
        chosen = torch.randint(LATENT - 1, (cells,), generator=generator(6))
        sign = torch.where(torch.rand((cells, 1), generator=generator(5)) < 0.5, 1.0, -1.0)
        return 4.0 * sign * torch.nn.functional.one_hot(chosen, LATENT)

    def unseen(cells: int) -> torch.Tensor:
        return torch.tensor([[2.0, 2.0, 0.0, -2.8]]).repeat(cells, 1)

    head = small()
    fit(head, *bimodal(axes, 6000), steps=600)
    prediction, _ = bimodal(unseen, 1000)
    residual = head.sample(prediction, generator()) - prediction.mean
    shift = unseen(1)[0]
    along = residual @ shift / shift.norm() ** 2
    assert float((along.abs() < 0.35).float().mean()) < 0.1
    assert 0.35 < float((along > 0).float().mean()) < 0.65
