"""Every closed-form baseline, fitted on what a split trains on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.evaluation.baselines import Baseline, fit_baselines
from gpjepa.evaluation.baselines_elsewhere import controls_in
from gpjepa.evaluation.pseudobulk import median_library

if TYPE_CHECKING:
    from gpjepa.data.feature_table import GeneFeatures
    from gpjepa.data.partition import Split
    from gpjepa.data.perturbseq import PerturbSeq


def baselines(
    data: PerturbSeq, split: Split, seed: int = 0, features: GeneFeatures | None = None
) -> tuple[Baseline, ...]:
    """Fit every baseline on the training cells and the training half of the controls.

    Validation perturbations choose settings and, where they are combinations, are learned from
    after that; test cells and the other half of the controls have no part. Where the split leaves
    out a context, effects are those of the other contexts and predictions start from the control
    cells of the one left out. `features` embed the perturbed genes for the linear baseline; None
    takes their own rows among the training states.
    """
    parts = split.parts(data)
    train = data.subset(np.concatenate((parts.train, parts.train_controls)))
    start = train.is_control
    if split.context_column is not None and split.held_out_context is not None:
        start = controls_in(train, split.context_column, split.held_out_context)
    return fit_baselines(
        train,
        data.subset(parts.validation) if len(parts.validation) else None,
        target=median_library(train.library[start]),
        seed=seed,
        features=features,
        context_column=split.context_column,
        held_out_context=split.held_out_context,
    )
