"""ablations, lambda-sweep, few-labels: the model without a part, or with other weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpjepa.benchmark import kang_pbmc, norman_k562, semi_synthetic, truth
from gpjepa.benchmark.few_labels import ON_ALL, STARTS, FewLabels
from gpjepa.benchmark.task import (
    ENERGY,
    MODEL,
    OVER_ADDITIVE,
    PEARSON,
    SLOPE,
    Part,
    Task,
    headlines,
)
from gpjepa.core.config import Config
from gpjepa.training.ablations import BALANCED, COUNT_WEIGHTS, NAMES, ablated, weighed

if TYPE_CHECKING:
    from pandas import DataFrame

FULL = "full model"
STAGE_A = (FULL, "no pretraining", "co-expression start", "reconstruction pretraining")
LAMBDA, IN_BALANCE = "λ_nb ", ", KL and priors too"
# from no count at all, over the full model with λ_nb = 1, to what a large λ_nb degenerates into
SWEEP = (
    "latent only",
    *(f"{LAMBDA}{weight:g}" for weight in COUNT_WEIGHTS if weight < 1),
    FULL,
    *(f"{LAMBDA}{weight:g}" for weight in COUNT_WEIGHTS if weight > 1),
    "no JEPA",
    "plain NB-VAE",
    *(f"{LAMBDA}{weight:g}{IN_BALANCE}" for weight in BALANCED),
)
L2 = ("l2", "L2 ↓", 0.0)
KNN = ("knn_accuracy", "kNN accuracy ↑", 1.0)
OVERLAP = ("neighbourhood_overlap", "neighbourhood overlap ↑", 1.0)
NORM = ("norm_ratio", "size ÷ the true one → 1", 1.0)


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
    """Return the settings of the full model, of an ablation, or of a step of the sweep."""
    if name == FULL:
        return config
    if not name.startswith(LAMBDA):
        return ablated(config, name)
    weight = float(name.removeprefix(LAMBDA).removesuffix(IN_BALANCE))
    return weighed(config, weight, balanced=name.endswith(IN_BALANCE))


def renamed(scores: DataFrame, name: str) -> DataFrame:
    """Name the model's rows after the ablation; baselines stay beside the full model only."""
    own = scores["model"] == MODEL
    kept = scores if name == FULL else scores[own]
    return kept.assign(model=kept["model"].where(kept["model"] != MODEL, name))


def parts_of(part: Part, names: Sequence[str]) -> tuple[Part, ...]:
    """Return a part for each ablation."""
    return tuple(Part(f"{part.name}, {name}", Ablated(name, part)) for name in names)


REAL = Part("perturbations", norman_k562.held_out)
SIMULATED = Part("half of the doubles", semi_synthetic.doubles)
NORMAN = ("norman-k562", "gene-sets")
NORMAN_SIMULATED = ("norman-effects", "k562-baseline", "gene-sets")
EFFECTS = (PEARSON, SLOPE, NORM, OVER_ADDITIVE)
ON_CELLS = (*headlines("doubles", *EFFECTS), *headlines("doubles, cells", ENERGY))
ON_TRUTH = (
    *headlines(truth.TRUTH, *EFFECTS),
    *headlines(f"{truth.CELLS}, cells", ENERGY),
)

ABLATIONS = (
    Task(
        "ablations",
        "the model without each of its parts: norman-k562's perturbations, kang-pbmc's cell types",
        ("norman-k562", "kang-pbmc", "gene-sets"),
        (
            *parts_of(REAL, (FULL, *NAMES)),
            *parts_of(Part("cell types", kang_pbmc.cell_types), STAGE_A),
        ),
        (
            *ON_CELLS,
            *headlines("representation", OVERLAP),
            *headlines("types, control", KNN),
        ),
        reference=FULL,
    ),
    Task(
        "ablations-semi-synthetic",
        "the model without each of its parts, on simulated cells with Norman's real effects",
        NORMAN_SIMULATED,
        parts_of(SIMULATED, (FULL, *NAMES)),
        ON_TRUTH,
        simulated=True,
        reference=FULL,
    ),
    Task(
        "lambda-sweep",
        "the weight of counts against the latent terms, λ_nb (1 in the full model): norman-k562's "
        "perturbations, kang-pbmc's cell types after fit",
        ("norman-k562", "kang-pbmc", "gene-sets"),
        (
            *parts_of(REAL, SWEEP),
            *parts_of(Part("types after fit", kang_pbmc.types_after_fit), SWEEP),
        ),
        (
            *headlines("doubles", SLOPE, PEARSON, L2, OVER_ADDITIVE),
            *headlines("doubles, cells", ENERGY),
            *headlines("types, control, after fit", KNN),
        ),
        reference=FULL,
    ),
    Task(
        "lambda-sweep-semi-synthetic",
        "the weight of counts, λ_nb, on simulated cells with Norman's real effects",
        NORMAN_SIMULATED,
        parts_of(SIMULATED, SWEEP),
        (
            *headlines(truth.TRUTH, SLOPE, PEARSON, L2, OVER_ADDITIVE),
            *headlines(f"{truth.CELLS}, cells", ENERGY),
            *headlines(f"{truth.CELLS}, representation", OVERLAP),
        ),
        simulated=True,
        reference=FULL,
    ),
    Task(
        "few-labels",
        "norman-k562 with ten labelled cells a perturbation, Stage A on all cells or on these",
        NORMAN,
        tuple(Part(start.name, FewLabels(start)) for start in STARTS),
        ON_CELLS,
        reference=ON_ALL,
    ),
    Task(
        "few-labels-semi-synthetic",
        "simulated cells with Norman's real effects, five labelled ones a perturbation",
        NORMAN_SIMULATED,
        tuple(Part(start.name, FewLabels(start, simulated=True)) for start in STARTS),
        ON_TRUTH,
        simulated=True,
        reference=ON_ALL,
    ),
)
