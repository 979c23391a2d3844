from __future__ import annotations

import pytest
import torch

from gpjepa.core.errors import ConfigError, NumericError
from gpjepa.model.diffusion.samplers import (
    LOWEST,
    METHODS,
    Drawn,
    NonFiniteScore,
    draw,
    noise_levels,
)
from gpjepa.model.diffusion.schedules import SHAPES
from gpjepa.model.diffusion.sde import denoised, diffusion_process

PROCESSES = [(process, shape) for process in ("vp", "ve") for shape in SHAPES]
NAMES = ["-".join(pair) for pair in PROCESSES]
MEAN = torch.tensor([2.0, -1.0, 0.0])
ROOT = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.5, 0.0], [-0.3, 0.2, 0.3]])
COVARIANCE = ROOT @ ROOT.T


def gaussian(noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Denoise by the analytic score of N(MEAN, COVARIANCE + σ² I)."""
    total = COVARIANCE + level**2 * torch.eye(3)
    score = -torch.linalg.solve(total, (noisy - MEAN).T).T
    return denoised(score, noisy, level)


def sample(
    process: tuple[str, str], method: str, evaluations: int, rows: int = 8000, seed: int = 0
) -> Drawn:
    return draw(
        gaussian,
        diffusion_process(*process),  # type: ignore[arg-type]
        method,  # type: ignore[arg-type]
        evaluations,
        rows,
        3,
        torch.Generator().manual_seed(seed),
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("process", PROCESSES, ids=NAMES)
def test_a_gaussian_is_recovered_within_monte_carlo_error(
    process: tuple[str, str], method: str
) -> None:
    rows = 8000
    x = sample(process, method, 200, rows).latent
    error = (torch.diagonal(COVARIANCE) / rows).sqrt()
    assert bool(((x.mean(dim=0) - MEAN).abs() < 3.5 * error).all())
    # Var[S_ij] = (C_ii C_jj + C_ij²) / n
    own = torch.diagonal(COVARIANCE)
    spread = ((own[:, None] * own[None] + COVARIANCE**2) / rows).sqrt()
    assert bool(((torch.cov(x.T) - COVARIANCE).abs() < 3.5 * spread).all())


@pytest.mark.parametrize("method", ["heun", "ode"])
@pytest.mark.parametrize("process", PROCESSES, ids=NAMES)
def test_deterministic_samplers_follow_the_exact_probability_flow(
    process: tuple[str, str], method: str
) -> None:
    # from y at σ(1) the flow scales each principal axis by √(λ / (λ + σ(1)²))
    kind = diffusion_process(*process)  # type: ignore[arg-type]
    one = torch.ones((), dtype=torch.float64)
    high = float(kind.level(one))
    start = kind.prior(50, 3, torch.Generator().manual_seed(3)) / float(kind.shrinkage(one))
    start = start + gaussian(start, torch.tensor(high))
    values, axes = torch.linalg.eigh(COVARIANCE)
    scale = (values / (values + high**2)).sqrt()
    exact = MEAN + (start - MEAN) @ axes @ torch.diag(scale) @ axes.T
    found = sample(process, method, 300, 50, seed=3).latent
    assert float((found - exact).abs().max()) < 0.02


@pytest.mark.parametrize("method", ["heun", "ode"])
def test_the_error_falls_with_the_square_of_the_steps(method: str) -> None:
    exact = sample(("ve", "quadratic"), method, 3000, 200).latent
    errors = [
        float((sample(("ve", "quadratic"), method, n, 200).latent - exact).norm())
        for n in (81, 161)
    ]
    assert 3.0 < errors[0] / errors[1] < 5.5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("process", PROCESSES, ids=NAMES)
def test_twenty_evaluations_come_close_to_many(process: tuple[str, str], method: str) -> None:
    few = sample(process, method, 20, 4000)
    assert few.evaluations <= 20
    off = torch.cov(few.latent.T) - COVARIANCE
    assert float(off.abs().max()) < 0.3 * float(torch.diagonal(COVARIANCE).max())
    error = (torch.diagonal(COVARIANCE) / 4000).sqrt()
    assert bool(((few.latent.mean(dim=0) - MEAN).abs() < 4 * error).all())


@pytest.mark.parametrize("method", METHODS)
def test_evaluations_are_counted_and_never_more_than_asked(method: str) -> None:
    calls = []

    def counting(noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        calls.append(float(level))
        return gaussian(noisy, level)

    for asked in (2, 7, 20):
        calls.clear()
        process = diffusion_process("vp", "linear")
        found = draw(counting, process, method, asked, 4, 3, torch.Generator())  # type: ignore[arg-type]
        assert found.evaluations == len(calls)
        assert asked - 1 <= len(calls) <= asked
        assert min(calls) > 0.0


@pytest.mark.parametrize("process", PROCESSES, ids=NAMES)
def test_levels_fall_from_the_highest_to_zero(process: tuple[str, str]) -> None:
    kind = diffusion_process(*process)  # type: ignore[arg-type]
    levels = noise_levels(kind, 12)
    assert len(levels) == 13
    assert float(levels[0]) == pytest.approx(float(kind.level(torch.ones((), dtype=torch.float64))))
    assert float(levels[-2]) == pytest.approx(LOWEST, rel=1e-3)
    assert float(levels[-1]) == 0.0
    assert bool((levels.diff() < 0).all())


@pytest.mark.parametrize("method", METHODS)
def test_the_same_generator_gives_the_same_samples(method: str) -> None:
    first, again, other = (sample(("vp", "cosine"), method, 9, 5, seed) for seed in (1, 1, 2))
    assert torch.equal(first.latent, again.latent)
    assert not torch.equal(first.latent, other.latent)


@pytest.mark.parametrize("method", METHODS)
def test_a_score_that_is_not_finite_stops_with_step_and_rows(method: str) -> None:
    calls = []

    def breaking(noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        calls.append(level)
        found = gaussian(noisy, level)
        if len(calls) > 3:
            found[1, 0], found[4, 2] = torch.nan, torch.inf
        return found

    process = diffusion_process("vp", "cosine")
    with pytest.raises(
        NonFiniteScore, match=r"2 of 6 cells .* step 1|2 of 6 cells .* step 2"
    ) as bad:
        draw(breaking, process, method, 20, 6, 3, torch.Generator())  # type: ignore[arg-type]
    assert bad.value.rows == (1, 4)
    assert bad.value.step == (1 if method == "heun" else 2)
    assert isinstance(bad.value, NumericError)


@pytest.mark.parametrize(("method", "evaluations"), [("euler", 20), ("heun", 1), ("ode", 0)])
def test_unknown_samplers_and_too_few_evaluations_are_refused(
    method: str, evaluations: int
) -> None:
    with pytest.raises(ConfigError, match=r"expected one of ancestral, heun, ode"):
        sample(("vp", "linear"), method, evaluations, 2)
