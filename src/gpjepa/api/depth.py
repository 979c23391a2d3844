"""How a model's embedding bears cells that were sequenced less deeply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.assessment import Assessment
from gpjepa.api.model import GPJEPA
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.depth import depth_rows

if TYPE_CHECKING:
    from pandas import DataFrame

FEWEST = 20  # cells on either side without which neighbourhoods say nothing


def depth_robustness(model: GPJEPA, assessed: Assessment, seed: int) -> DataFrame | None:
    """Look up thinned held-out cells among full-depth training cells, references beside.

    Queries are the held-out perturbations' cells and the control cells kept for the truth. None
    with too few cells.
    """
    panel, parts = assessed.panel, assessed.parts
    training = panel.subset(np.concatenate((parts.train, parts.train_controls)))
    queries = panel.subset(np.concatenate((parts.test, parts.truth_controls)))
    if min(training.n_cells, queries.n_cells) < FEWEST:
        return None

    def embed(cells: PerturbSeq) -> np.ndarray:
        return np.asarray(model.embed(cells.to_anndata()), dtype=np.float64)

    name = assessed.report.name
    return depth_rows(embed, training, queries, assessed.target, name, seed)
