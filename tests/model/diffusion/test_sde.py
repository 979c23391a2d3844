from __future__ import annotations

import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion.schedules import SHAPES, signal
from gpjepa.model.diffusion.sde import (
    DiffusionProcess,
    VarianceExploding,
    VariancePreserving,
    denoised,
    diffusion_process,
)

ALL = [(process, shape) for process in ("vp", "ve") for shape in SHAPES]


@pytest.fixture(params=ALL, ids=["-".join(pair) for pair in ALL])
def process(request: pytest.FixtureRequest) -> DiffusionProcess:
    return diffusion_process(*request.param)


def times(count: int = 9) -> torch.Tensor:
    return torch.linspace(0.1, 0.95, count, dtype=torch.float64)


def test_kernel_solves_the_moment_equations_of_the_sde(process: DiffusionProcess) -> None:
    # dm/dt = f(m), dv/dt = 2 (f(x)/x) v + g², by central differences
    time, step = times(), 1e-5
    unit = torch.ones((len(time), 1), dtype=torch.float64)
    factor = process.drift(unit, time).squeeze(1)
    late, early = time + step, time - step
    mean = (process.shrinkage(late) - process.shrinkage(early)) / (2 * step)
    torch.testing.assert_close(mean, factor * process.shrinkage(time), rtol=1e-5, atol=1e-8)
    grown = (process.deviation(late).square() - process.deviation(early).square()) / (2 * step)
    expected = 2 * factor * process.deviation(time).square() + process.diffusion(time).square()
    torch.testing.assert_close(grown, expected, rtol=1e-5, atol=1e-8)


def test_simulated_paths_have_the_moments_of_the_kernel(process: DiffusionProcess) -> None:
    generator = torch.Generator().manual_seed(0)
    paths, steps, end = 20_000, 400, 0.6
    x = torch.full((paths, 1), 1.5, dtype=torch.float64)
    for index in range(steps):
        time = torch.tensor((index + 0.5) * end / steps, dtype=torch.float64)
        noise = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        x = x + process.drift(x, time) * end / steps
        x = x + process.diffusion(time) * noise * (end / steps) ** 0.5
    at = torch.tensor(end, dtype=torch.float64)
    deviation = float(process.deviation(at))
    assert float(x.std()) == pytest.approx(deviation, rel=0.02)
    error = deviation / paths**0.5
    assert float(x.mean()) == pytest.approx(
        1.5 * float(process.shrinkage(at)), abs=4 * error + 0.01
    )


def test_level_is_deviation_over_shrinkage_and_time_inverts_it(process: DiffusionProcess) -> None:
    time = times()
    ratio = process.deviation(time) / process.shrinkage(time)
    torch.testing.assert_close(process.level(time), ratio, rtol=1e-9, atol=0.0)
    torch.testing.assert_close(process.time(process.level(time)), time, rtol=1e-6, atol=0.0)


def test_processes_start_from_data_without_noise(process: DiffusionProcess) -> None:
    zero = torch.zeros((), dtype=torch.float64)
    assert float(process.level(zero)) == 0.0
    assert float(process.shrinkage(zero)) == 1.0


@pytest.mark.parametrize("shape", SHAPES)
def test_variance_preserving_kernel_is_root_signal_and_its_complement(shape: str) -> None:
    process = diffusion_process("vp", shape)  # type: ignore[arg-type]
    assert isinstance(process, VariancePreserving)
    left = signal(process.schedule, times())
    torch.testing.assert_close(process.shrinkage(times()).square(), left)
    torch.testing.assert_close(process.deviation(times()).square(), 1.0 - left)


def test_priors_have_the_deviation_that_the_process_ends_with(process: DiffusionProcess) -> None:
    drawn = process.prior(20_000, 2, torch.Generator().manual_seed(0))
    end = float(process.deviation(torch.ones((), dtype=torch.float64)))
    assert float(drawn.std()) == pytest.approx(end, rel=0.02)
    assert abs(float(drawn.mean())) < 4 * end / 200


@pytest.mark.parametrize("shape", SHAPES)
def test_variance_exploding_starts_the_reverse_from_its_highest_level(shape: str) -> None:
    process = diffusion_process("ve", shape)  # type: ignore[arg-type]
    assert isinstance(process, VarianceExploding)
    highest = process.schedule.highest
    assert float(process.deviation(torch.ones(()))) == pytest.approx(highest, rel=1e-6)


def test_denoised_is_the_posterior_mean_of_a_gaussian() -> None:
    mean, deviation, level = 0.7, 1.3, torch.tensor(0.9)
    noisy = torch.linspace(-3, 3, 7).unsqueeze(1)
    score = -(noisy - mean) / (deviation**2 + level**2)
    expected = mean + (noisy - mean) * deviation**2 / (deviation**2 + level**2)
    torch.testing.assert_close(denoised(score, noisy, level), expected)


def test_an_unknown_process_is_refused() -> None:
    with pytest.raises(ConfigError, match="'subvp' is not known; expected vp or ve"):
        diffusion_process("subvp", "linear")  # type: ignore[arg-type]
