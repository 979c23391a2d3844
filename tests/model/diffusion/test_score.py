from __future__ import annotations

import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion.score import (
    Circumstances,
    Denoiser,
    Frame,
    ModulatedBlock,
    ResidualNetwork,
    normal_quantile,
    spread_evenly,
    withhold,
)
from gpjepa.model.predictor import Prediction

LATENT, WIDTH, TOKENS, CELLS = 6, 16, 4, 5


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, cells: int = CELLS) -> torch.Tensor:
    return torch.randn((cells, LATENT), generator=generator(seed))


def predicted(cells: int = CELLS) -> Prediction:
    state, first, second, spread = (drawn(seed, cells) for seed in range(4))
    return Prediction(state + first + second, spread, first, second)


def circumstances(cells: int = CELLS) -> Circumstances:
    return Frame(LATENT).circumstances(predicted(cells))


def alive(network: ResidualNetwork) -> ResidualNetwork:
    """Move the parameters that start at zero, so that the network does something."""
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator(index)))
    return network


@pytest.fixture
def network() -> ResidualNetwork:
    torch.manual_seed(0)
    return alive(ResidualNetwork(LATENT, WIDTH, TOKENS, 2, 4))


def output(network: ResidualNetwork, told: Circumstances, scaled: torch.Tensor) -> torch.Tensor:
    ones = torch.ones((len(scaled), 1))
    return network(scaled, 0.7 * ones, 0.1 * ones, told)


def test_an_untrained_network_says_nothing_and_has_unit_loss() -> None:
    fresh = ResidualNetwork(LATENT, WIDTH, TOKENS, 2, 4)
    assert float(output(fresh, circumstances(), drawn(9)).abs().max()) == 0.0


def test_every_parameter_gets_a_gradient(network: ResidualNetwork) -> None:
    output(network, circumstances(), drawn(9)).square().sum().backward()
    silent = [name for name, p in network.named_parameters() if not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("part", ["state", "shift", "pair", "spread"])
def test_every_condition_changes_the_output(network: ResidualNetwork, part: str) -> None:
    told = circumstances()
    parts = {**vars(told), part: getattr(told, part) + 0.5}
    moved = output(network, Circumstances(**parts), drawn(9)) - output(network, told, drawn(9))
    assert float(moved.abs().amax(dim=1).min()) > 1e-3


def test_noise_level_changes_the_output(network: ResidualNetwork) -> None:
    ones, scaled, told = torch.ones((CELLS, 1)), drawn(9), circumstances()
    other = network(scaled, 0.7 * ones, 0.9 * ones, told)
    assert float((other - output(network, told, scaled)).abs().min(dim=1).values.max()) > 1e-4


def test_silencing_one_latent_token_changes_how_a_condition_acts_on_the_others() -> None:
    # were attention over one token only, tokens would not hear of each other
    torch.manual_seed(0)
    block = ModulatedBlock(WIDTH, 4)
    with torch.no_grad():
        block.modulation.weight.normal_(generator=generator(1))
    tokens = torch.randn((1, TOKENS + 2, WIDTH), generator=generator(2))
    embedding = torch.randn((1, WIDTH), generator=generator(3))
    condition = torch.zeros_like(tokens)
    condition[:, -1] = torch.randn(WIDTH, generator=generator(4))
    silenced = tokens.clone()
    silenced[:, 0] = 0.0

    def effect(base: torch.Tensor) -> torch.Tensor:
        moved = block(base + condition, embedding) - block(base, embedding)
        return moved[:, 1:TOKENS]

    assert float(effect(tokens).abs().max()) > 1e-2
    assert float((effect(tokens) - effect(silenced)).abs().max()) > 1e-3


def test_rows_do_not_look_at_each_other(network: ResidualNetwork) -> None:
    told, scaled = circumstances(), drawn(9)
    other = scaled.clone()
    other[0] += 5.0
    first, second = output(network, told, scaled), output(network, told, other)
    torch.testing.assert_close(first[1:], second[1:])
    assert not torch.allclose(first[0], second[0])


def test_coefficients_along_the_shift_hold_in_directions_never_seen(
    network: ResidualNetwork,
) -> None:
    # with the free vector and the tokens silent, a rotation of all rotates the output
    with torch.no_grad():
        network.free.weight.zero_()
        network.free.bias.zero_()
        network.along.weight[:, : TOKENS * WIDTH].zero_()
    rotation, _ = torch.linalg.qr(torch.randn((LATENT, LATENT), generator=generator(5)))
    told, scaled = circumstances(), drawn(9)
    turned = Circumstances(
        told.state, told.shift @ rotation, told.pair @ rotation, told.spread, told.known
    )
    straight = output(network, told, scaled)
    assert float(straight.abs().max()) > 1e-3
    torch.testing.assert_close(
        output(network, turned, scaled @ rotation), straight @ rotation, rtol=1e-3, atol=1e-4
    )


def test_the_control_has_no_direction_and_stays_finite(network: ResidualNetwork) -> None:
    state, zero = drawn(0), torch.zeros((CELLS, LATENT))
    told = Frame(LATENT).circumstances(Prediction(state, zero, zero, zero))
    assert bool(torch.isfinite(output(network, told, drawn(9))).all())


def test_preconditioning_gives_the_network_unit_inputs_and_targets() -> None:
    class Spy(torch.nn.Module):
        def forward(
            self, scaled: torch.Tensor, gain: torch.Tensor, noise: torch.Tensor, told: object
        ) -> torch.Tensor:
            self.seen, self.noise = scaled, noise
            return torch.zeros_like(scaled)

    spy = Spy()
    denoiser = Denoiser(spy)  # type: ignore[arg-type]
    rows = 20_000
    clean, noise = drawn(0, rows), drawn(1, rows)
    told = circumstances(rows)
    for level in (0.01, 0.5, 3.0, 60.0):
        column = torch.full((rows, 1), level)
        noisy = clean + level * noise
        skip = denoiser(noisy, column, told)
        assert float(spy.seen.std()) == pytest.approx(1.0, abs=0.02)
        target = (clean - skip) * (1 + level**2) ** 0.5 / level
        assert float(target.std()) == pytest.approx(1.0, abs=0.02)
        # c_skip alone is the posterior mean of unit residuals
        torch.testing.assert_close(skip, noisy / (1 + level**2))


def test_guidance_of_one_is_none_and_weights_move_from_the_unconditional(
    network: ResidualNetwork,
) -> None:
    denoiser, told, noisy = Denoiser(network), circumstances(), drawn(9)
    level = torch.full((CELLS, 1), 0.8)
    conditional = denoiser(noisy, level, told)
    assert torch.equal(denoiser.guided(noisy, level, told, 1.0), conditional)
    without = denoiser(noisy, level, told.withheld(torch.zeros((CELLS, 1))))
    torch.testing.assert_close(denoiser.guided(noisy, level, told, 0.0), without)
    expected = without + 2.5 * (conditional - without)
    torch.testing.assert_close(denoiser.guided(noisy, level, told, 2.5), expected)
    assert not torch.allclose(without, conditional)


def test_withheld_conditions_tell_nothing(network: ResidualNetwork) -> None:
    blank = torch.zeros((CELLS, 1))
    other = Frame(LATENT).circumstances(Prediction(drawn(20), drawn(21), drawn(22), drawn(23)))
    first = output(network, circumstances().withheld(blank), drawn(9))
    torch.testing.assert_close(output(network, other.withheld(blank), drawn(9)), first)


def test_the_share_withheld_is_the_one_asked_for() -> None:
    told = withhold(circumstances(4000), 0.3, generator())
    assert float(told.known.mean()) == pytest.approx(0.7, abs=0.03)
    assert float(told.shift[told.known.squeeze(1) == 0].abs().sum()) == 0.0
    assert float(withhold(circumstances(100), 0.0, generator()).known.min()) == 1.0


def test_frame_gives_residuals_unit_second_moments_and_back() -> None:
    frame, prediction = Frame(LATENT), predicted(500)
    latent = prediction.mean + 0.3 * drawn(9, 500) * torch.linspace(0.5, 4.0, LATENT) + 0.2
    frame.measure(prediction, latent)
    residual = frame.residual(prediction, latent)
    torch.testing.assert_close(residual.square().mean(dim=0), torch.ones(LATENT))
    torch.testing.assert_close(frame.latent(prediction, residual), latent)
    told = frame.circumstances(prediction)
    torch.testing.assert_close(told.state.std(dim=0), torch.ones(LATENT))
    shift = prediction.first_order + prediction.second_order
    torch.testing.assert_close(told.shift * frame.scale, shift)


def test_a_dimension_without_residuals_keeps_a_scale() -> None:
    frame, prediction = Frame(LATENT), predicted()
    frame.measure(prediction, prediction.mean)
    assert float(frame.scale.min()) > 0.0


def test_even_numbers_fill_every_strip_and_the_quantile_is_normal() -> None:
    share = spread_evenly(64, generator())
    assert sorted((share * 64).long().squeeze(1).tolist()) == list(range(64))
    torch.testing.assert_close(
        torch.distributions.Normal(0.0, 1.0).cdf(normal_quantile(share)), share, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("width", "tokens", "layers", "heads"), [(16, 3, 1, 4), (16, 4, 0, 4), (15, 4, 1, 4)]
)
def test_impossible_shapes_are_refused(width: int, tokens: int, layers: int, heads: int) -> None:
    with pytest.raises(ConfigError, match="at least 4 tokens"):
        ResidualNetwork(LATENT, width, tokens, layers, heads)
