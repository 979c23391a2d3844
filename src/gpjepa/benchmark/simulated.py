"""simulated: cells of a mechanism known exactly; a quarter of the pairs, or triples held out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gpjepa.benchmark.held_out import NB_VAE, ablation_rows
from gpjepa.benchmark.truth import score_simulated, score_triples
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError
from gpjepa.data.simulator import SimulationConfig
from gpjepa.data.simulator_config import CellsConfig, FreeConfig
from gpjepa.data.simulator_free import free_blueprint
from gpjepa.training.ablations import ablated

if TYPE_CHECKING:
    from pandas import DataFrame

CELLS, GENES = 100, 300  # cells of each perturbation
PAIRS = 0.25  # held-out share
ATTEMPTS, APART = 20, 10_000  # seeds that are tried, and their distance
FEW, TRIPLES = 12, 40  # genes of which all 66 pairs are measured, and triples of them
FEWER_CELLS = 50
PANEL = 0.4  # of the counts of control cells: three strong activations must fit into a cell


def simulation(seed: int) -> SimulationConfig:
    """Return the settings: 30 genes and 60 pairs, of which 3 in 10 interact.

    Where strong activations that `seed` draws do not fit into a cell, which the simulator
    refuses, another seed stands in: the first of seed + 10,000, seed + 20,000, … that fits.
    """
    free = FreeConfig(genes=GENES)
    cells = CellsConfig(control=1000, perturbed=CELLS)
    return SimulationConfig(preset="free", seed=_fitting(free, seed), cells=cells, free=free)


def _fitting(free: FreeConfig, seed: int) -> int:
    """Return the first seed whose effects fit into a cell; the last one untried, to be refused."""
    for attempt in range(ATTEMPTS - 1):
        with suppress(ConfigError):
            free_blueprint(free, seed + attempt * APART)
            return seed + attempt * APART
    return seed + (ATTEMPTS - 1) * APART


def pairs(config: Config, seed: int, device: str) -> DataFrame:
    """Score held-out pairs against cells and against the truth that they were drawn from."""
    return score_simulated(simulation(seed), PAIRS, config, seed, device)


def simulation_of_triples(seed: int) -> SimulationConfig:
    """Return the settings: 12 genes with all their pairs, of which 3 in 10 interact, 40 triples."""
    return SimulationConfig(
        preset="free",
        seed=seed,
        cells=CellsConfig(control=1000, perturbed=FEWER_CELLS),
        free=FreeConfig(
            genes=GENES,
            perturbed=FEW,
            pairs=FEW * (FEW - 1) // 2,
            triples=TRIPLES,
            panel_share=PANEL,
        ),
    )


def triples(config: Config, seed: int, device: str) -> DataFrame:
    """Score triples after training on all singles and pairs: a size that was never seen."""
    return score_triples(simulation_of_triples(seed), config, seed, device)


def plain_nb_vae(config: Config, seed: int, device: str) -> DataFrame:
    """Score the model without JEPA, a plain conditional NB-VAE, as `pairs` scores ours."""
    return ablation_rows(pairs(ablated(config, NB_VAE), seed, device), NB_VAE)
