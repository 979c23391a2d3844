"""ablations: the model without each of its parts, on what norman-k562 and kang-pbmc can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpjepa.benchmark import kang_pbmc, norman_k562
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


@dataclass(frozen=True)
class HeldOut:
    """Scores a model without one part on the held-out perturbations of norman-k562."""

    ablation: str

    @property
    def __name__(self) -> str:
        """What tells the results of one ablation from those of another."""
        return f"held out, {self.ablation}"

    def __call__(self, config: Config, seed: int, device: str) -> DataFrame:
        """Return one row per score; the full model's with the baselines beside it."""
        settings = config_of(config, self.ablation)
        return renamed(norman_k562.held_out(settings, seed, device), self.ablation)


@dataclass(frozen=True)
class CellTypes:
    """Scores the embedding that Stage A gives without one part, on the cell types of kang-pbmc."""

    ablation: str

    @property
    def __name__(self) -> str:
        """What tells the results of one ablation from those of another."""
        return f"cell types, {self.ablation}"

    def __call__(self, config: Config, seed: int, device: str) -> DataFrame:
        """Return one row per score; the full model's with the simple spaces beside it."""
        settings = config_of(config, self.ablation)
        return renamed(kang_pbmc.cell_types(settings, seed, device), self.ablation)


def config_of(config: Config, name: str) -> Config:
    """Return the settings of the full model or of an ablation."""
    return config if name == FULL else ablated(config, name)


def renamed(scores: DataFrame, name: str) -> DataFrame:
    """Name the model's rows after the ablation; baselines stay beside the full model only."""
    own = scores["model"] == MODEL
    kept = scores if name == FULL else scores[own]
    return kept.assign(model=kept["model"].where(kept["model"] != MODEL, name))


ABLATIONS = Task(
    "ablations",
    "the model without each of its parts: norman-k562's perturbations, kang-pbmc's cell types",
    ("norman-k562", "kang-pbmc", "gene-sets"),
    (
        *(Part(f"perturbations, {name}", HeldOut(name)) for name in (FULL, *NAMES)),
        *(Part(f"cell types, {name}", CellTypes(name)) for name in STAGE_A),
    ),
    (
        *headlines("doubles", PEARSON, OVER_ADDITIVE),
        Headline("doubles", "slope", "slope of truth on prediction → 1", 1.0),
        *headlines("responding", ENERGY),
        Headline("types, control", "knn_accuracy", "kNN accuracy ↑", 1.0),
    ),
)
