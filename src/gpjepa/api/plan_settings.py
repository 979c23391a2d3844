"""How a plan is searched and scored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gpjepa.core.errors import ConfigError, unknown
from gpjepa.inference.error_model import require_level

ENERGIES = ("auto", "expression", "latent", "energy-distance")
MODES = ("mean-shift", "population")


@dataclass(frozen=True, kw_only=True)
class Search:
    """Settings of a search.

    `budget` counts sets scored through the world model, single genes included. `energy` is
    "expression" (root mean squared difference of mean effects, log1p units), "latent" (mean
    absolute difference of the mean latents) or "energy-distance" (of populations); "auto" is
    expression where the goal has counts and latent where it has none. A signature is in expression
    whatever is chosen.
    `mode` "mean-shift" searches with the mean of the latents and rescores the best sets with
    populations of `cells` cells; "population" scores all so. `risk` error bars are added to an
    energy: above 0 averse, below 0 exploring. `size_cost` is the share of the distance from start
    to goal that each member must bring, `cost_weight` that of one unit of cost; of a signature or
    a direction they are in its own unit. `share` is how many sets of the shortlist may have a gene
    in common, None any number. `level` is that of the intervals.
    """

    planner: str = "cem"
    budget: int = 2000
    energy: str = "auto"
    mode: str = "mean-shift"
    risk: float = 0.0
    size_cost: float = 0.0
    cost_weight: float = 0.01
    cells: int = 256
    top: int = 20
    share: int | None = None
    level: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        require_level(self.level)
        for name, known in (("energy", ENERGIES), ("mode", MODES)):
            if getattr(self, name) not in known:
                advice = f"use one of {', '.join(known)}"
                raise ConfigError(unknown(name, str(getattr(self, name)), known, advice))
        for name in ("budget", "cells", "top"):
            value = getattr(self, name)
            if value < 1:
                raise ConfigError(f"{name} is {value}; expected 1 or more; raise it")
        if self.share is not None and self.share < 1:
            raise ConfigError(
                f"share is {self.share}; expected 1 or more sets that may have a gene in common; "
                "leave it out for any number"
            )
        if not math.isfinite(self.risk):
            raise ConfigError(f"risk is {self.risk}; expected a finite number; 0 leaves it out")
        for name in ("size_cost", "cost_weight"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ConfigError(
                    f"{name} is {value}; expected a share of the distance from 0; lower it"
                )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return dict(self.__dict__)
