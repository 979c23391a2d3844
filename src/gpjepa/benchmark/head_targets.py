"""Latents of known distribution under conditions, to measure what learned heads make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gpjepa.core.random import torch_stream
from gpjepa.model.predictor import Prediction

LATENT, SINGLES = 16, 12  # width of the latent, members that act alone
RESPONDING = 0.5  # share of cells that respond
SHIFT, PAIR_SHIFT = 4.0, 1.5  # mean lengths in standard deviations within a mode
TRAINING_CELLS, HELD_CELLS = 64, 600  # of each condition
HELD = 8  # conditions that are scored, of those seen and of those never seen

Kind = Literal["gaussian", "mixture"]


@dataclass(frozen=True)
class Latents:
    """Perturbed latents [B, D] with what the predictor says of them.

    `again` are other draws from the truth for the same predictions, where the truth is known.
    """

    prediction: Prediction
    latent: Float[Tensor, "B D"]
    again: Float[Tensor, "B D"] | None = None

    @staticmethod
    def joined(parts: list[Latents]) -> Latents:
        """Stack latents of several conditions."""
        names = ("mean", "log_variance", "first_order", "second_order")
        columns = [[getattr(part.prediction, name) for part in parts] for name in names]
        return Latents(
            Prediction(*(torch.cat(column) for column in columns)),
            torch.cat([part.latent for part in parts]),
        )


@dataclass(frozen=True)
class Problem:
    """Latents to fit on, and latents of conditions that were seen and never seen."""

    training: Latents
    seen: Mapping[str, Latents]
    unseen: Mapping[str, Latents]


def known_problem(kind: Kind, seed: int) -> Problem:
    """Draw a problem: all singles and half of their pairs are seen, the other half never.

    mixture: a cell responds with probability f or stays where it was; the prediction is the mean
    of both, so that the modes lie at −shift and shift · (1 − f) / f around it. gaussian: the
    spread along the shift is half its length. Around both there is unit noise.
    """
    generator = torch_stream(seed, "benchmark", "heads", kind)
    axes = _normal((SINGLES, LATENT), generator)
    shifts = SHIFT * axes / axes.norm(dim=1, keepdim=True)
    conditions: dict[str, tuple[Tensor, Tensor]] = {
        str(i): (shifts[i], torch.zeros(LATENT)) for i in range(SINGLES)
    }
    pairs = list(combinations(range(SINGLES), 2))
    order = torch.randperm(len(pairs), generator=generator).tolist()
    chosen = [pairs[index] for index in order]
    for first, second in chosen:
        extra = PAIR_SHIFT * LATENT**-0.5 * _normal((LATENT,), generator)
        conditions[f"{first}+{second}"] = (shifts[first] + shifts[second], extra)
    held = [f"{first}+{second}" for first, second in chosen[len(chosen) // 2 :]]

    def drawn(label: str, cells: int) -> Latents:
        return _draw(kind, *conditions[label], cells, generator)

    known = [label for label in conditions if label not in held]
    training = Latents.joined([drawn(label, TRAINING_CELLS) for label in known])
    seen = {label: drawn(label, HELD_CELLS) for label in known[-HELD:]}
    return Problem(training, seen, {label: drawn(label, HELD_CELLS) for label in held[:HELD]})


def _draw(kind: Kind, first: Tensor, second: Tensor, cells: int, generator: Generator) -> Latents:
    """Draw latents of one condition with their predictions."""
    shift = first + second
    beyond = (1.0 - RESPONDING) / RESPONDING

    def around() -> Tensor:
        if kind == "gaussian":
            along = 0.5 * _normal((cells, 1), generator)
        else:
            responds = torch.rand((cells, 1), generator=generator) < RESPONDING
            along = torch.where(responds, beyond, -1.0)
        return along * shift + _normal((cells, LATENT), generator)

    mean = 2.0 * _normal((cells, LATENT), generator) + shift
    variance = 1.0 + shift.square() * (0.25 if kind == "gaussian" else beyond)
    wide = torch.ones((cells, 1))
    prediction = Prediction(mean, wide * torch.log(variance), wide * first, wide * second)
    return Latents(prediction, mean + around(), mean + around())


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator)
