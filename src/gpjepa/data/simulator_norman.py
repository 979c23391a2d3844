"""The semi-synthetic preset: Norman's effects on K562 baselines and dispersions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gpjepa.core.errors import ConfigError
from gpjepa.data.labels import CONTROL, members_of
from gpjepa.data.references import baseline
from gpjepa.data.simulator_blueprint import Blueprint, checked
from gpjepa.data.simulator_config import NormanConfig
from gpjepa.data.tables import norman_effects

MILLION = 1e6


def norman_blueprint(config: NormanConfig) -> Blueprint:
    """Return populations with real effects: 104 singles and the 126 doubles of these singles.

    The measured effects are differences of log1p counts per million, so the mean of a
    perturbation is max(0, (1 + CPM)·exp(effect) - 1). What the clipping leaves is the truth.
    Raises `ConfigError` when no gene reaches `least_cpm`.
    """
    table = norman_effects()
    control = baseline("k562")
    genes = [
        str(gene)
        for gene in table.var_names
        if gene in control.index
        and MILLION * control.at[gene, "relative_expression"] >= config.least_cpm
    ]
    if not genes:
        raise ConfigError(
            f"setting 'norman.least_cpm' is {config.least_cpm}; expected a level that some gene "
            "reaches in K562; lower it"
        )
    singles = set(table.obs_names[table.obs["kind"] == "single"])
    labels = [str(label) for label in table.obs_names if singles.issuperset(members_of(str(label)))]
    effects = np.asarray(table[labels, genes].X, dtype=np.float64)
    cpm = MILLION * control.loc[genes, "relative_expression"].to_numpy(np.float64)
    perturbed = np.maximum(0.0, (1 + cpm) * np.exp(effects) - 1)
    profiles = pd.DataFrame(
        {
            "perturbation": [CONTROL, *labels],
            "cell_type": "K562",
            "dose": np.nan,
            "sequence": "",
            "responder": [False, *[True] * len(labels)],
            "weight": 1.0,
        }
    )
    return checked(
        Blueprint(
            genes=np.array(genes, dtype=object),
            profiles=profiles,
            rates=np.vstack([cpm, perturbed]) / MILLION,
            size=control.loc[genes, "expression_size"].to_numpy(np.float64),
            hill=pd.DataFrame(columns=["ec50", "hill"], dtype=np.float64),
            features=pd.DataFrame(dtype=np.float64),
        )
    )
