"""What a benchmark is: independent parts, each scored for one seed, and what sums them up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpjepa.core.config import Config

if TYPE_CHECKING:
    from pandas import DataFrame

MODEL = "gpjepa"


@dataclass(frozen=True)
class Part:
    """One way of holding out; `score(config, seed, device)` returns a row per score.

    Rows: group, metric, model, value, floor, ceiling, n (perturbations or cells behind it).
    """

    name: str
    score: Callable[[Config, int, str], DataFrame]


@dataclass(frozen=True)
class Headline:
    """A score that stands for a benchmark in the table of all of them."""

    group: str
    metric: str
    text: str
    best: float  # the value of a perfect prediction

    def loss(self, value: float) -> float:
        """Return the distance from a perfect score."""
        return abs(value - self.best)


@dataclass(frozen=True)
class Task:
    """A named benchmark on embedded data sets, or on simulated cells."""

    name: str
    title: str
    data: tuple[str, ...]  # names of the embedded data sets
    parts: tuple[Part, ...]
    headlines: tuple[Headline, ...]
    simulated: bool = False

    def part(self, name: str) -> Part:
        """Return the part of a name."""
        return next(part for part in self.parts if part.name == name)


PEARSON = ("pearson_delta", "Pearson Δ ↑", 1.0)
OVER_ADDITIVE = ("l2_over_additive", "L2 ÷ additive's ↓", 0.0)
OVER_MEAN = ("l2_over_training_mean", "L2 ÷ training mean's ↓", 0.0)
OVER_NOTHING = ("l2_over_no_change", "L2 ÷ no change's ↓", 0.0)
CENTROID = ("centroid_accuracy", "centroid accuracy ↑", 1.0)
ENERGY = ("energy_distance", "energy distance ↓", 0.0)


def headlines(group: str, *scores: tuple[str, str, float]) -> tuple[Headline, ...]:
    """Return the headlines of a group of held-out perturbations."""
    return tuple(Headline(group, metric, text, best) for metric, text, best in scores)
