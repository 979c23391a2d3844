"""semi-synthetic: simulated cells with Norman's real effects; half of the doubles held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpjepa.benchmark.truth import score_simulated
from gpjepa.core.config import Config
from gpjepa.data.simulator import SimulationConfig
from gpjepa.data.simulator_config import CellsConfig, NormanConfig

if TYPE_CHECKING:
    from pandas import DataFrame

LEAST_CPM = 10.0  # genes below it in K562 cells are hardly ever counted
CELLS = 20  # of each perturbation
DOUBLES = 0.5  # held-out share


def simulation(seed: int) -> SimulationConfig:
    """Return the settings: 104 singles and 126 doubles of a few thousand cells."""
    return SimulationConfig(
        preset="norman",
        seed=seed,
        cells=CellsConfig(control=1000, perturbed=CELLS),
        norman=NormanConfig(least_cpm=LEAST_CPM),
    )


def doubles(config: Config, seed: int, device: str) -> DataFrame:
    """Score held-out doubles against cells and against the truth that they were drawn from."""
    return score_simulated(simulation(seed), DOUBLES, config, seed, device)
