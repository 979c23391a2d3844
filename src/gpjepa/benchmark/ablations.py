"""ablations: the model without each of its parts, on what other benchmarks hold out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpjepa.benchmark import kang_pbmc, norman_k562, semi_synthetic, truth
from gpjepa.benchmark.task import (
    ENERGY,
    MODEL,
    OVER_ADDITIVE,
    PEARSON,
    Headline,
    Part,
    Task,
    headlines,
)
from gpjepa.core.config import Config
from gpjepa.training.ablations import NAMES, ablated

if TYPE_CHECKING:
    from pandas import DataFrame

FULL = "full model"
STAGE_A = (FULL, "no pretraining", "co-expression start", "reconstruction pretraining")
SLOPE = ("slope", "slope of truth on prediction → 1", 1.0)


@dataclass(frozen=True)
class Ablated:
    """The part of a benchmark, scored with the settings of the full model or of an ablation."""

    ablation: str
    of: Part

    @property
    def __name__(self) -> str:
        """What tells the results of one ablation from those of another."""
        return f"{self.of.score.__name__}, {self.ablation}"

    def __call__(self, config: Config, seed: int, device: str) -> DataFrame:
        """Return one row per score; the full model's with the baselines beside it."""
        settings = config_of(config, self.ablation)
        return renamed(self.of.score(settings, seed, device), self.ablation)


def config_of(config: Config, name: str) -> Config:
    """Return the settings of the full model or of an ablation."""
    return config if name == FULL else ablated(config, name)


def renamed(scores: DataFrame, name: str) -> DataFrame:
    """Name the model's rows after the ablation; baselines stay beside the full model only."""
    own = scores["model"] == MODEL
    kept = scores if name == FULL else scores[own]
    return kept.assign(model=kept["model"].where(kept["model"] != MODEL, name))


def parts_of(part: Part, names: tuple[str, ...]) -> tuple[Part, ...]:
    """Return a part for each ablation."""
    return tuple(Part(f"{part.name}, {name}", Ablated(name, part)) for name in names)


ABLATIONS = (
    Task(
        "ablations",
        "the model without each of its parts: norman-k562's perturbations, kang-pbmc's cell types",
        ("norman-k562", "kang-pbmc", "gene-sets"),
        (
            *parts_of(Part("perturbations", norman_k562.held_out), (FULL, *NAMES)),
            *parts_of(Part("cell types", kang_pbmc.cell_types), STAGE_A),
        ),
        (
            *headlines("doubles", PEARSON, SLOPE, OVER_ADDITIVE),
            *headlines("responding", ENERGY),
            Headline("types, control", "knn_accuracy", "kNN accuracy ↑", 1.0),
        ),
    ),
    Task(
        "ablations-semi-synthetic",
        "the model without each of its parts, on simulated cells with Norman's real effects",
        ("norman-effects", "k562-baseline", "gene-sets"),
        parts_of(Part("half of the doubles", semi_synthetic.doubles), (FULL, *NAMES)),
        headlines(truth.TRUTH, PEARSON, SLOPE, OVER_ADDITIVE),
        simulated=True,
    ),
)
