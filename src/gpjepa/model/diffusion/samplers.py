"""Drawing from a diffusion process by its denoiser: ancestral, Heun, probability-flow ODE.

All work on y = x(t) / s(t), in which both processes read y = x(0) + σ(t) ε and
∇ log p(y; σ) = (E[x(0) | y] − y) / σ². Source: Karras et al. 2022, section 2 and appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gpjepa.core.errors import ConfigError, NumericError, listed
from gpjepa.model.diffusion.sde import DiffusionProcess

Method = Literal["ancestral", "heun", "ode"]
METHODS: tuple[Method, ...] = ("ancestral", "heun", "ode")
Denoiser = Callable[[Tensor, Tensor], Tensor]  # y [B, D], σ [] -> E[x(0) | y] [B, D]
LOWEST = 2e-3  # noise level below which the denoised latent is taken
FEWEST = 2  # evaluations: one to centre the prior, one for a step


class NonFiniteScore(NumericError):
    """A score that is not finite: at which step, counted from 0, and in which rows."""

    def __init__(self, step: int, rows: tuple[int, ...], total: int) -> None:
        self.step, self.rows = step, rows
        super().__init__(
            f"the score of {len(rows)} of {total} cells is not finite at sampling step {step} "
            f"(rows {listed(rows)}); expected finite ones; fit the head again or use "
            "--head variational"
        )


@dataclass(frozen=True)
class Drawn:
    """Samples of x(0), and how often the denoiser was evaluated."""

    latent: Float[Tensor, "B D"]
    evaluations: int


def noise_levels(process: DiffusionProcess, steps: int) -> Float[Tensor, " N"]:
    """Return the noise levels around the steps, from σ(1) to `LOWEST`, then 0.

    Their times are spaced evenly in t^(1/ρ), ρ the `crowding` of the process, so that most steps
    are near the data. Source: Karras et al. 2022, equation 5, where time is σ.
    """
    power = process.crowding
    last = process.time(torch.tensor(LOWEST, dtype=torch.float64)) ** (1.0 / power)
    share = torch.linspace(0.0, 1.0, steps, dtype=torch.float64)
    levels = process.level((1.0 + share * (last - 1.0)) ** power)
    return torch.cat((levels, levels.new_zeros(1)))


@torch.no_grad()
def draw(
    denoiser: Denoiser,
    process: DiffusionProcess,
    method: Method,
    evaluations: int,
    rows: int,
    latent: int,
    generator: Generator,
) -> Drawn:
    """Draw `rows` samples with at most `evaluations` evaluations of the denoiser.

    The prior knows nothing of the data's mean, which matters where σ(1) is not far above it: the
    first evaluation tells it, and y(1) is centred there. Raises `NonFiniteScore`, and
    `ConfigError` for an unknown method or too few evaluations.
    """
    if method not in METHODS or evaluations < FEWEST:
        raise ConfigError(
            f"sampler {method!r} with {evaluations} evaluations is not known; expected one of "
            f"{', '.join(METHODS)} with at least {FEWEST}; use one of them"
        )
    steps = evaluations // 2 if method == "heun" else evaluations - 1
    levels = noise_levels(process, steps)
    y = process.prior(rows, latent, generator)
    y = y / float(process.shrinkage(torch.ones((), dtype=torch.float64)))
    watched = _Watched(denoiser)
    y = y + watched(y, levels[0], 0)
    match method:
        case "ancestral":
            found = ancestral(watched, y, levels, generator)
        case "heun":
            found = heun(watched, y, levels)
        case "ode":
            found = probability_flow(watched, y, levels)
    return Drawn(found, watched.evaluations)


class _Watched:
    """A denoiser that counts its evaluations and refuses what is not finite."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser, self.evaluations = denoiser, 0

    def __call__(self, y: Tensor, level: Tensor, step: int) -> Tensor:
        found = self.denoiser(y, level.to(y))
        self.evaluations += 1
        bad = ~torch.isfinite(found).all(dim=1)
        if bool(bad.any()):
            rows = tuple(torch.nonzero(bad).squeeze(1).tolist())
            raise NonFiniteScore(step, rows, len(y))
        return found


def ancestral(
    denoiser: _Watched, y: Float[Tensor, "B D"], levels: Tensor, generator: Generator
) -> Float[Tensor, "B D"]:
    """Draw each y(σ′) from its Gaussian given y(σ) and x(0): the reverse SDE.

    Source: Ho et al. 2020, equation 7, for either process, with x(0) of second order (Lu et al.
    2022, SDE-DPM-Solver++(2M)).
    """
    path = _Middle(denoiser)
    for step, (level, following) in enumerate(pairwise(levels)):
        middle = path(y, level, following, step)
        keep = float(following / level) ** 2
        noise = torch.empty_like(y).normal_(generator=generator)
        y = middle + keep * (y - middle) + float(following) * (1.0 - keep) ** 0.5 * noise
    return y


def heun(denoiser: _Watched, y: Float[Tensor, "B D"], levels: Tensor) -> Float[Tensor, "B D"]:
    """Integrate dy/dσ = (y − x̂) / σ by Heun's method, the last step by Euler's.

    The linear part is integrated exactly, and x̂ is taken as linear in log σ between the two
    evaluations of a step. Source: Karras et al. 2022, algorithm 1; Hochbruck and Ostermann 2005
    for the weights.
    """
    for step, (level, following) in enumerate(pairwise(levels)):
        clean = denoiser(y, level, step)
        keep = float(following / level)
        if following > 0:
            there = denoiser(clean + keep * (y - clean), following, step)
            passed = 1.0 - keep
            clean = clean + (1.0 + passed / math.log(keep)) / passed * (there - clean)
        y = clean + keep * (y - clean)
    return y


def probability_flow(
    denoiser: _Watched, y: Float[Tensor, "B D"], levels: Tensor
) -> Float[Tensor, "B D"]:
    """Integrate the probability-flow ODE in log σ, its linear part exactly.

    Source: Lu et al. 2022, DPM-Solver++(2M).
    """
    path = _Middle(denoiser)
    for step, (level, following) in enumerate(pairwise(levels)):
        middle = path(y, level, following, step)
        y = middle + float(following / level) * (y - middle)
    return y


class _Middle:
    """x̂ in the middle of a step in log σ, extrapolated from this step's start and the last's."""

    def __init__(self, denoiser: _Watched) -> None:
        self.denoiser = denoiser
        self.before: Tensor | None = None
        self.width = 0.0  # of the last step

    def __call__(self, y: Tensor, level: Tensor, following: Tensor, step: int) -> Tensor:
        clean = self.denoiser(y, level, step)
        width = float(torch.log(level / following)) if following > 0 else 0.0
        middle = clean
        if self.before is not None:
            middle = clean + 0.5 * width / self.width * (clean - self.before)
        self.before, self.width = clean, width
        return middle
