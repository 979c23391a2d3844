"""Simulated cells with known truth: semi-synthetic Norman cells, or a mechanism drawn freely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import CONTROL
from gpjepa.data.simulator_blueprint import Blueprint
from gpjepa.data.simulator_config import CellsConfig, SimulationConfig
from gpjepa.data.simulator_counts import sample_counts
from gpjepa.data.simulator_free import free_blueprint
from gpjepa.data.simulator_norman import norman_blueprint
from gpjepa.data.simulator_truth import Truth

__all__ = ["SimulationConfig", "Truth", "simulate"]


@dataclass(frozen=True, eq=False)
class Layout:
    """Which profile, library size, batch and state each cell has."""

    profile: np.ndarray
    library: np.ndarray
    batch: np.ndarray
    state: np.ndarray


@dataclass(frozen=True, eq=False)
class Drawing:
    """Cells about to be drawn: their truth, and which population each belongs to."""

    config: SimulationConfig
    truth: Truth
    layout: Layout

    def rates(self, cells: slice) -> np.ndarray:
        """Return the shares [cells, G] of the counts of some cells."""
        truth, layout = self.truth, self.layout
        shares: np.ndarray = truth.rates[layout.profile[cells]]
        shares *= truth.states[layout.state[cells]]
        shares *= truth.batches[layout.batch[cells]]
        return shares

    def stream(self) -> np.random.Generator:
        """Return the random numbers of the counts, from their beginning."""
        return numpy_stream(self.config.seed, "counts")

    def var(self) -> pd.DataFrame:
        """Return the genes."""
        return pd.DataFrame(index=pd.Index(self.truth.genes.astype(str)))

    def obs(self, totals: np.ndarray) -> pd.DataFrame:
        """Return obs of cells with these totals [cells]."""
        return _obs(self.config.cells, self.truth.profiles, self.layout, totals)

    def uns(self) -> dict[str, Any]:
        """Return what goes with the cells: that they are simulated, and their truth."""
        return {
            "simulated": True,
            "dataset": f"simulated ({self.config.preset} preset)",
            "truth": self.truth.to_uns(),
        }

    def cells(self) -> AnnData:
        """Draw the counts of all cells."""
        library, size = self.layout.library, self.truth.size
        counts, rest = sample_counts(self.rates, library, size, self.stream())
        totals = np.asarray(counts.sum(axis=1)).ravel() + rest
        adata = AnnData(counts, obs=self.obs(totals), var=self.var())
        adata.uns.update(self.uns())
        return adata


def drawing(config: SimulationConfig) -> Drawing:
    """Draw all but the counts; raise `ConfigError` for settings that contradict each other."""
    blueprint = (
        norman_blueprint(config.norman)
        if config.preset == "norman"
        else free_blueprint(config.free, config.seed)
    )
    return Drawing(config, _truth(config, blueprint), _lay_out(config, blueprint.profiles))


def simulate(config: SimulationConfig | None = None) -> tuple[AnnData, Truth]:
    """Draw simulated cells and return them with their truth; the same for the same settings.

    X: int32 CSR counts. obs: perturbation, total_counts (realised, the rest of the
    transcriptome included), library (the expected total), and cell_type, batch, dose, sequence,
    responder and state where there is more than one. uns: simulated, truth, config.
    Raises `ConfigError` for settings that contradict each other.
    """
    drawn = drawing(config or SimulationConfig())
    return drawn.cells(), drawn.truth


def _truth(config: SimulationConfig, blueprint: Blueprint) -> Truth:
    """Bind the blueprint to the factors of states and batches."""
    cells, genes = config.cells, len(blueprint.genes)
    states = numpy_stream(config.seed, "states")
    affected = states.random(genes) < cells.state_genes
    batches = numpy_stream(config.seed, "batches")
    return Truth(
        genes=blueprint.genes,
        profiles=blueprint.profiles,
        rates=blueprint.rates,
        size=blueprint.size,
        states=_factors(states, cells.states, genes, cells.state_log_sd * affected),
        batches=_factors(batches, cells.batches, genes, np.full(genes, cells.batch_log_sd)),
        target=cells.library_median,
        hill=blueprint.hill,
        features=blueprint.features,
        config=config.model_dump_json(),
    )


def _factors(rng: np.random.Generator, rows: int, genes: int, sd: np.ndarray) -> np.ndarray:
    """Draw log-normal factors [rows, G] with mean 1 over the rows: no mean is changed."""
    factors = np.exp(sd * rng.standard_normal((rows, genes)))
    scaled: np.ndarray = factors / factors.mean(axis=0)
    return scaled


def _lay_out(config: SimulationConfig, profiles: pd.DataFrame) -> Layout:
    """Give each cell its profile, library size, batch and state, in random order."""
    rng = numpy_stream(config.seed, "layout")
    cells = config.cells
    parts = []
    for label, rows in profiles.groupby("perturbation", sort=True):
        number = cells.control if label == CONTROL else cells.perturbed
        populations = rows.groupby(["cell_type", "dose"], dropna=False, sort=True)
        groups = [frame for _, frame in populations]
        shares = np.bincount(np.arange(number) % len(groups), minlength=len(groups))
        for frame, share in zip(groups, shares, strict=True):
            weights = frame["weight"].to_numpy(np.float64)
            index = frame.index.to_numpy()
            parts.append(rng.choice(index, size=share, p=weights / weights.sum()))
    profile = rng.permutation(np.concatenate(parts))
    spread = np.exp(cells.library_log_sd * rng.standard_normal(len(profile)))
    return Layout(
        profile=profile,
        library=np.maximum(1.0, np.rint(cells.library_median * spread)),
        batch=rng.integers(0, cells.batches, len(profile)),
        state=rng.integers(0, cells.states, len(profile)),
    )


def _obs(
    cells: CellsConfig, profiles: pd.DataFrame, layout: Layout, totals: np.ndarray
) -> pd.DataFrame:
    """Return obs with the columns that say something."""
    rows = profiles.iloc[layout.profile]
    perturbed = (profiles["perturbation"] != CONTROL).to_numpy(bool)
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(rows["perturbation"].to_numpy(object)),
            "total_counts": totals.astype(np.float64),
            "library": layout.library,
        },
        index=pd.Index([f"simulated{number + 1}" for number in range(len(rows))]),
    )
    if profiles["cell_type"].nunique() > 1:
        obs["cell_type"] = pd.Categorical(rows["cell_type"].to_numpy(object))
    if cells.batches > 1:
        obs["batch"] = pd.Categorical([f"batch{number + 1}" for number in layout.batch])
    if profiles["dose"].notna().any():
        obs["dose"] = rows["dose"].to_numpy(np.float64)
    if (profiles["sequence"] != "").any():
        obs["sequence"] = pd.Categorical(rows["sequence"].to_numpy(object))
    if not profiles["responder"].to_numpy(bool)[perturbed].all():
        obs["responder"] = rows["responder"].to_numpy(bool)
    if cells.states > 1:
        obs["state"] = pd.Categorical([f"state{number + 1}" for number in layout.state])
    return obs
