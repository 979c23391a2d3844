"""simulated: cells of a mechanism that is known exactly; a quarter of the pairs held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpjepa.benchmark.held_out import NB_VAE, ablation_rows
from gpjepa.benchmark.truth import score_simulated
from gpjepa.core.config import Config
from gpjepa.data.simulator import SimulationConfig
from gpjepa.data.simulator_config import CellsConfig, FreeConfig
from gpjepa.training.ablations import ablated

if TYPE_CHECKING:
    from pandas import DataFrame

CELLS, GENES = 100, 300  # cells of each perturbation
PAIRS = 0.25  # held-out share


def simulation(seed: int) -> SimulationConfig:
    """Return the settings: 30 genes and 60 pairs, of which 3 in 10 interact."""
    return SimulationConfig(
        preset="free",
        seed=seed,
        cells=CellsConfig(control=1000, perturbed=CELLS),
        free=FreeConfig(genes=GENES),
    )


def pairs(config: Config, seed: int, device: str) -> DataFrame:
    """Score held-out pairs against cells and against the truth that they were drawn from."""
    return score_simulated(simulation(seed), PAIRS, config, seed, device)


def plain_nb_vae(config: Config, seed: int, device: str) -> DataFrame:
    """Score the model without JEPA, a plain conditional NB-VAE, as `pairs` scores ours."""
    return ablation_rows(pairs(ablated(config, NB_VAE), seed, device), NB_VAE)
