"""What a benchmark is: independent parts, each scored for one seed, and what sums them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError, unknown

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

    def is_called(self, name: str) -> bool:
        """Tell whether a name is the part's, or the end of it after a comma."""
        return self.name == name or self.name.endswith(f", {name}")


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
    """A named benchmark on embedded data sets, or on simulated cells.

    `reference` names the model that the others are compared with, perturbation by perturbation:
    the full model of an ablation. None where the baselines are the comparison.
    """

    name: str
    title: str
    data: tuple[str, ...]  # names of the embedded data sets
    parts: tuple[Part, ...]
    headlines: tuple[Headline, ...]
    simulated: bool = False
    reference: str | None = None

    def part(self, name: str) -> Part:
        """Return the part of a name."""
        return next(part for part in self.parts if part.name == name)

    def only(self, names: Sequence[str]) -> Task:
        """Return the task with the parts that are named, by their whole name or by its end.

        "no JEPA" names "perturbations, no JEPA". The parts of the reference stay. Raises
        `ConfigError` for a name that is no part.
        """
        for name in names:
            if not any(part.is_called(name) for part in self.parts):
                known = sorted({part.name.rpartition(", ")[2] for part in self.parts})
                advice = f"use one of {', '.join(known)}"
                raise ConfigError(unknown(f"part of {self.name}", name, known, advice))
        wanted = [*names, *([] if self.reference is None else [self.reference])]
        kept = [part for part in self.parts if any(part.is_called(name) for name in wanted)]
        return replace(self, parts=tuple(kept))


PEARSON = ("pearson_delta", "Pearson Δ ↑", 1.0)
OVER_ADDITIVE = ("l2_over_additive", "L2 ÷ additive's ↓", 0.0)
OVER_MEAN = ("l2_over_training_mean", "L2 ÷ training mean's ↓", 0.0)
OVER_NOTHING = ("l2_over_no_change", "L2 ÷ no change's ↓", 0.0)
CENTROID = ("centroid_accuracy", "centroid accuracy ↑", 1.0)
OVER_BETTER = ("l2_over_better", "L2 ÷ better of mean and no change ↓", 0.0)
SLOPE = ("slope", "slope of truth on prediction → 1", 1.0)
ENERGY = ("energy_distance", "energy distance ↓", 0.0)


def headlines(group: str, *scores: tuple[str, str, float]) -> tuple[Headline, ...]:
    """Return the headlines of a group of held-out perturbations."""
    return tuple(Headline(group, metric, text, best) for metric, text, best in scores)
