"""Learning the kernel between pairs: by leave-one-out error or by marginal likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from gpjepa.model.composition import Members, PairInteraction, PairKernel

STEPS, RATE = 60, 0.1
JITTER = 1e-8
SMALL = 1e-9  # of a typical size, below which none is taken to be
LARGEST = 30  # directions that the marginal likelihood looks at
PULL = 0.05  # of the leave-one-out error in percent: keeps a bandwidth that does not matter near 1

Objective = Literal["loo", "evidence"]


@dataclass(frozen=True)
class Residuals:
    """What the pairs are to explain: residuals of the rescaled sums, and how each is weighed."""

    values: Tensor  # [N, D]
    scale: Tensor  # [N], the additive model's error: errors are relative to it
    magnitude: Tensor  # [N], length of the sum in units of a typical single's distance
    spread: Tensor  # [D], size of effects along each direction, the first is 1

    @staticmethod
    def of(
        values: np.ndarray, error: np.ndarray, sums: np.ndarray, effects: np.ndarray, unit: float
    ) -> Residuals:
        """Weigh residuals `values` [N, D] of pairs with the `error` [N] and the `sums` [N, D].

        `effects` [P, D] are those that tell how large effects are along each direction, `unit` the
        distance of a typical single.
        """
        spread = np.sqrt((effects**2).mean(axis=0))
        return Residuals(
            torch.from_numpy(values),
            torch.from_numpy(np.maximum(error, SMALL * unit)),
            torch.from_numpy(np.maximum(np.linalg.norm(sums, axis=1) / unit, SMALL)),
            torch.from_numpy(np.maximum(spread / spread.max(), SMALL)),
        )


class _Noise(nn.Module):
    """Noise of the residuals, and how it grows with the direction's and the sum's size."""

    def __init__(self) -> None:
        super().__init__()
        self.log_noise = nn.Parameter(torch.tensor(-0.5))
        self.by_direction = nn.Parameter(torch.tensor(0.8))
        self.by_magnitude = nn.Parameter(torch.tensor(0.5))


def fit_interaction(
    anchors: Members, residuals: Residuals, unit: float, objective: Objective
) -> tuple[PairInteraction, Tensor]:
    """Return the fitted interaction and its noise variance, in the kernel's unit.

    `unit` is the distance between typical singles. Deterministic.
    """
    interaction = PairInteraction(PairKernel(unit), anchors).to(anchors.effects.dtype)
    noise = _Noise().to(anchors.effects.dtype)
    parameters = [*interaction.kernel.parameters(), *noise.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    loss = leave_one_out if objective == "loo" else evidence
    for _ in range(STEPS):
        optimiser.zero_grad()
        value = loss(interaction.kernel, noise, anchors, residuals, unit)
        value.backward()
        optimiser.step()
    variance = torch.exp(2 * noise.log_noise).detach()
    interaction.requires_grad_(False)
    interaction.solve(residuals.values, variance)
    return interaction, variance


def _covariance(kernel: PairKernel, noise: _Noise, anchors: Members) -> Tensor:
    covariance: Tensor = kernel(anchors, anchors)
    level = torch.exp(2 * noise.log_noise) + JITTER
    return covariance + level * torch.eye(len(covariance), dtype=covariance.dtype)


def leave_one_out(
    kernel: PairKernel, noise: _Noise, anchors: Members, residuals: Residuals, unit: float
) -> Tensor:
    """Return the mean error of each pair predicted from the others, % of the additive error."""
    errors = left_out_errors(_covariance(kernel, noise, anchors), residuals.values)
    relative = torch.linalg.vector_norm(errors, dim=1) / residuals.scale
    return 100 * relative.mean() + PULL * (kernel.log_bandwidth**2).sum() / 4


def left_out_errors(covariance: Tensor, residuals: Tensor) -> Tensor:
    """Return the errors [N, D] of predicting each row from the others.

    Source: Rasmussen and Williams 2006, eq. 5.12.
    """
    inverse = torch.linalg.inv(covariance)
    return (inverse @ residuals) / torch.diagonal(inverse)[:, None]


def evidence(
    kernel: PairKernel, noise: _Noise, anchors: Members, residuals: Residuals, unit: float
) -> Tensor:
    """Return the negative log marginal likelihood of the largest directions, each by itself.

    Among many directions the small ones are noise, and would decide the kernel by their number.
    """
    largest = torch.argsort(residuals.spread, descending=True, stable=True)[:LARGEST]
    residuals = Residuals(
        residuals.values[:, largest],
        residuals.scale,
        residuals.magnitude,
        residuals.spread[largest],
    )
    size = residuals.magnitude**noise.by_magnitude
    spread = residuals.spread**noise.by_direction
    scaled = residuals.values / size[:, None] / spread / (0.2 * unit)
    root = torch.linalg.cholesky(_covariance(kernel, noise, anchors))
    white = torch.linalg.solve_triangular(root, scaled, upper=False)
    directions = scaled.shape[1]
    log_det = directions * torch.log(torch.diagonal(root)).sum()
    log_scale = directions * torch.log(size).sum() + len(size) * torch.log(spread).sum()
    return 0.5 * (white**2).sum() + log_det + log_scale + 2 * (kernel.log_bandwidth**2).sum()
