"""Predictions in the form that the cell-eval2 command reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix, vstack

from gpjepa.api.controls import ControlCells
from gpjepa.data.labels import CONTROL

if TYPE_CHECKING:
    from anndata import AnnData

TARGET = "target"  # its default column of perturbations
NON_TARGETING = "non-targeting"  # its default label of control cells


def with_controls(predicted: AnnData, controls: ControlCells, genes: Sequence[str]) -> AnnData:
    """Return the predicted cells followed by the real control cells that they start from.

    X holds int32 counts of `genes` on both. obs["target"] has the labels with "non-targeting" for
    control cells, the defaults of cell-eval2; obs["perturbation"] the same with "control". The
    control cells are there because cell-eval2 wants the same labels on both sides; its 2026 preset
    measures effects from the observed controls only.
    """
    import anndata
    import pandas

    counts = vstack([csr_matrix(predicted.X), csr_matrix(controls.table.counts)], format="csr")
    labels = np.asarray(predicted.obs["perturbation"].astype(str), dtype=object)
    both = np.concatenate([labels, np.full(len(controls), CONTROL, dtype=object)])
    totals = np.asarray(predicted.obs["total_counts"], dtype=np.float64)
    obs = pandas.DataFrame(
        {
            TARGET: pandas.Categorical(np.where(both == CONTROL, NON_TARGETING, both).astype(str)),
            "perturbation": pandas.Categorical(both.astype(str)),
            "total_counts": np.concatenate([totals, controls.table.library]),
        },
        index=[*predicted.obs_names, *(f"control-{row}" for row in range(len(controls)))],
    )
    var = pandas.DataFrame(index=list(genes))
    return anndata.AnnData(X=csr_matrix(counts, dtype=np.int32), obs=obs, var=var)
