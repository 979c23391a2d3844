"""bimodal: cells of which only some respond, in combinations that were never measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from gpjepa.api.model import GPJEPA
from gpjepa.benchmark.held_out import trained
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import MODEL, Headline, Part, Task
from gpjepa.benchmark.truth import screen
from gpjepa.core.config import Config
from gpjepa.core.random import derive_seed, numpy_stream
from gpjepa.data.labels import CONTROL
from gpjepa.data.simulator import SimulationConfig, Truth
from gpjepa.data.simulator_config import CellsConfig, FreeConfig
from gpjepa.data.simulator_counts import sample_counts
from gpjepa.data.simulator_spread import true_spread
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.evaluation.generative import population_energy
from gpjepa.inference.bundle import GenePanel

if TYPE_CHECKING:
    from pandas import DataFrame

GENES, PERTURBED, PAIRS, CELLS = 300, 20, 40, 200
EFFECT = 0.7  # deviation of a program gene's effect on the log rate: modes that counts can tell
HELD_OUT = 0.25  # share of the pairs
DRAWN = 500  # cells of each population that are compared
GAUSSIAN = "Gaussian head"  # the same model, every cell taken to respond
HEADS = ("diffusion", "flow")
Cells = tuple[csr_matrix, np.ndarray]


def simulation(seed: int, share: float) -> SimulationConfig:
    """Return the settings: 20 genes and 40 pairs, each of which acts in a share of its cells."""
    return SimulationConfig(
        preset="free",
        seed=seed,
        cells=CellsConfig(control=1000, perturbed=CELLS),
        free=FreeConfig(
            genes=GENES,
            perturbed=PERTURBED,
            pairs=PAIRS,
            effect_sd=EFFECT,
            responders=(share, share),
        ),
    )


def half(config: Config, seed: int, device: str) -> DataFrame:
    """Score pairs of which half of the cells respond."""
    return score(0.5, "half respond", config, seed, device)


def fifth(config: Config, seed: int, device: str) -> DataFrame:
    """Score pairs of which a fifth of the cells respond."""
    return score(0.2, "a fifth responds", config, seed, device)


def four_fifths(config: Config, seed: int, device: str) -> DataFrame:
    """Score pairs of which four fifths of the cells respond."""
    return score(0.8, "four fifths respond", config, seed, device)


def heads(config: Config, seed: int, device: str) -> DataFrame:
    """Score learned heads beside the mixture, each alone; half of the cells respond."""
    return score(0.5, "half respond, heads", config, seed, device, HEADS)


def score(
    share: float,
    group: str,
    config: Config,
    seed: int,
    device: str,
    others: tuple[str, ...] = (),
) -> DataFrame:
    """Train on simulated cells and score populations of held-out pairs against fresh true cells.

    Rows: `responder_fraction` with the truth as ceiling, `fraction_error` its mean distance from
    the truth; `energy_distance` to true cells between the control's (floor) and a replicate's
    (ceiling), and `excess_over_gaussian`, how much of the Gaussian head's distance beyond the
    replicate's is left; `latent_share` of the variance with the truth as ceiling.
    """
    import pandas

    data, split, truth = screen(simulation(seed, share), HELD_OUT, seed)
    model = trained(data, split, config, seed, device)
    labels = list(split.test)
    table = model.responders(labels)
    rows = fraction_rows(group, table["fraction"].to_numpy(), truth.responders[labels].to_numpy())
    names = np.array(model.bundle.panel.names, dtype=object)
    gated = expressed_untargeted(model.controls.table.counts, names, data.members)
    shares = [true_spread(truth, x, columns(truth, names[gated]), seed=seed)[0][2] for x in labels]
    distances: dict[str, np.ndarray] = {}
    for name, made in contenders(model, others):
        drawn = made.predict(labels, cells=DRAWN, seed=seed)
        own = {
            label: (csr_matrix(part.X), part.obs["total_counts"].to_numpy(np.float64))
            for label in labels
            for part in (drawn[drawn.obs["perturbation"] == label],)
        }
        distances[name] = energies(truth, model.bundle.panel, own, seed)
        spread = made.spread(labels, seed=seed)
        latent = spread.loc[spread["source"] == "latent", "share"].to_numpy()
        row = (float(latent.mean()), np.nan, float(np.mean(shares)), len(labels))
        rows.append((group, "latent_share", name, *row))
    rows += energy_rows(group, distances, *bounds(truth, model.bundle.panel, labels, seed))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def contenders(model: GPJEPA, others: tuple[str, ...]) -> list[tuple[str, GPJEPA]]:
    """Return the model, the same without its mixture, and that with other heads."""
    made = [(MODEL, model), (GAUSSIAN, without_mixture(model))]
    for kind in others:
        other = without_mixture(model)
        other.swap_head(kind)  # type: ignore[arg-type]
        made.append((f"{kind} head", other))
    return made


def without_mixture(model: GPJEPA) -> GPJEPA:
    """Return a copy of a fitted model that takes every cell to respond."""
    from copy import copy, deepcopy
    from dataclasses import replace

    other = copy(model)
    plain = deepcopy(model.bundle.model)
    plain.responders = None
    other._bundle = replace(model.bundle, model=plain)
    return other


def fraction_rows(group: str, found: np.ndarray, true: np.ndarray) -> list[tuple[Any, ...]]:
    """Return rows of predicted fractions of responders."""
    count, ceiling = len(found), float(true.mean())
    return [
        (group, "responder_fraction", MODEL, float(found.mean()), 1.0, ceiling, count),
        (group, "fraction_error", MODEL, float(np.abs(found - true).mean()), np.nan, 0.0, count),
    ]


def energy_rows(
    group: str, distances: Mapping[str, np.ndarray], floor: np.ndarray, ceiling: np.ndarray
) -> list[tuple[Any, ...]]:
    """Return rows of distances [P] to the true cells; the floor is the control's."""
    rows: list[tuple[Any, ...]] = []
    beyond = (distances[GAUSSIAN] - ceiling).mean()
    for name, values in distances.items():
        ends = (float(floor.mean()), float(ceiling.mean()), len(values))
        rows.append((group, "energy_distance", name, float(values.mean()), *ends))
        left = float((values - ceiling).mean() / beyond)
        rows.append((group, "excess_over_gaussian", name, left, np.nan, 0.0, len(values)))
    return rows


def bounds(
    truth: Truth, panel: GenePanel, labels: list[str], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances [P] of control cells and of a second draw of true cells."""
    names = np.array(panel.names, dtype=object)
    control = {x: true_cells(truth, CONTROL, names, derive_seed(seed, "floor", x)) for x in labels}
    again = {x: true_cells(truth, x, names, derive_seed(seed, "ceiling", x)) for x in labels}
    return energies(truth, panel, control, seed), energies(truth, panel, again, seed)


def energies(
    truth: Truth, panel: GenePanel, populations: Mapping[str, Cells], seed: int
) -> np.ndarray:
    """Return the energy distance of each population to fresh cells of its true condition."""
    names = np.array(panel.names, dtype=object)
    return np.array(
        [
            population_energy(
                *cells,
                *true_cells(truth, label, names, derive_seed(seed, "truth", label)),
                panel.target,
                numpy_stream(seed, "energy", label),
            )
            for label, cells in populations.items()
        ]
    )


def true_cells(truth: Truth, label: str, names: np.ndarray, seed: int) -> Cells:
    """Draw cells of a simulated condition: counts of the genes `names`, and totals."""
    config = SimulationConfig.model_validate_json(truth.config).cells
    rng = numpy_stream(seed, "true cells")
    rows = truth.rows(label)
    weight = truth.profiles["weight"].to_numpy(np.float64)[rows]
    chosen = rng.choice(rows, DRAWN, p=weight / weight.sum())
    spread = np.exp(config.library_log_sd * rng.standard_normal(DRAWN))
    library = np.maximum(1.0, np.rint(config.library_median * spread))
    counts, rest = sample_counts(lambda cells: truth.rates[chosen[cells]], library, truth.size, rng)
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel() + rest
    return counts[:, columns(truth, names)], totals


def columns(truth: Truth, names: np.ndarray) -> np.ndarray:
    """Return where genes are among the simulated ones."""
    position = {str(gene): index for index, gene in enumerate(truth.genes)}
    return np.array([position[str(name)] for name in names])


Score = Callable[[Config, int, str], "DataFrame"]
SCORED: tuple[tuple[str, Score], ...] = (
    ("half respond", half),
    ("a fifth responds", fifth),
    ("four fifths respond", four_fifths),
    ("half respond, heads", heads),
)

BIMODAL = Task(
    "bimodal",
    "simulated cells of which a part responds: a quarter of the pairs held out",
    (),
    tuple(Part(name, scored) for name, scored in SCORED),
    tuple(
        Headline(name, *rest)
        for name, _ in SCORED[:3]
        for rest in (
            ("fraction_error", "fraction of responders, error ↓", 0.0),
            ("excess_over_gaussian", "energy distance ÷ Gaussian head's ↓", 0.0),
        )
    ),
    simulated=True,
)
