"""What a simulation is drawn from: populations of identically distributed cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gpjepa.core.errors import ConfigError

PROFILE_COLUMNS = (
    "perturbation",  # canonical label
    "cell_type",
    "dose",  # nan without doses, 0 for control
    "sequence",  # "A>B", or "" when all members act at once
    "responder",  # whether these cells carry the effect
    "weight",  # share of the cells of (perturbation, cell_type, dose); sums to 1 over them
)


@dataclass(frozen=True, eq=False)
class Blueprint:
    """Profiles (see `PROFILE_COLUMNS`), their rates and the dispersion of the genes.

    `rates` [profiles, G] are shares of a cell's counts; what is missing to 1 is the rest of the
    transcriptome. `size` [G] is the NB size θ. `hill` has one row a perturbed gene (ec50, hill),
    `features` one row a perturbed gene (its loadings on the programs); both can be empty.
    """

    genes: np.ndarray
    profiles: pd.DataFrame
    rates: np.ndarray
    size: np.ndarray
    hill: pd.DataFrame
    features: pd.DataFrame


def checked(blueprint: Blueprint) -> Blueprint:
    """Return the blueprint; refuse rates that add up to more than the whole transcriptome."""
    totals = blueprint.rates.sum(axis=1)
    worst = int(totals.argmax())
    if totals[worst] > 1.0:
        label = blueprint.profiles["perturbation"].iloc[worst]
        raise ConfigError(
            f"the genes of simulated perturbation {label!r} add up to {totals[worst]:.2f} of a "
            "cell's counts; expected at most 1; lower the effect sizes, free.panel_share or "
            "free.base_log_sd"
        )
    return blueprint
