"""The evaluation of a model on what its split held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpjepa.api.answers import effect_tables
from gpjepa.api.controls import from_anndata
from gpjepa.api.model import GPJEPA
from gpjepa.api.populations import Start
from gpjepa.core.errors import DataError
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.partition import Split, SplitCells
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.baselines import Baseline
from gpjepa.evaluation.evaluator import EvaluationReport, evaluate
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.evaluation.intervals import LEVELS
from gpjepa.evaluation.pseudobulk import median_library
from gpjepa.evaluation.split_baselines import baselines

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

LEVEL = 0.9  # of the effect intervals that are shown
CELLS = 4000  # most cells predicted of a perturbation: fewer add noise to its pseudobulk
ENTRIES = 5_000_000  # of counts predicted of a perturbation, for wide panels


@dataclass(frozen=True, eq=False)
class Assessment:
    """Predictions of what was held out, the observed cells, and the report on both.

    `fit_only` is True where the split held nothing out, so that scores are of fit.
    """

    report: EvaluationReport
    panel: PerturbSeq
    parts: SplitCells
    split: Split
    labels: tuple[str, ...]
    unpredictable: tuple[str, ...]
    predicted: AnnData
    observed: AnnData
    effects: DataFrame
    gated: np.ndarray
    target: float
    fit_only: bool


def assess(model: GPJEPA, data: PerturbSeq, split: Split, seed: int) -> Assessment:
    """Predict the held-out perturbations of `split` and evaluate them with every baseline.

    Raises `DataError` when none of them can be predicted or has observed cells.
    """
    panel = data.select_genes(model.bundle.panel.names)
    parts, fit_only = split.parts(panel), not split.test
    held = parts.train if fit_only else parts.test
    train_controls, truth_controls = _controls(panel, split, parts)
    present = sorted(set(panel.labels[held]))
    known = model.bundle.vocabulary.knows
    labels = tuple(label for label in present if known(label))
    if not labels:
        raise DataError(
            f"none of {len(present)} held-out perturbations can be predicted; expected some with "
            "training cells or prior features; give a feature table or another split"
        )
    held = held[np.isin(panel.labels[held].astype(str), labels)]
    observed = _with_embedding(model, panel.subset(np.concatenate((held, truth_controls))))
    trained = parts.train if split.held_out_context is None else parts.train[:0]
    train = panel.subset(np.concatenate((trained, train_controls)))
    start = panel.subset(train_controls)
    effects = _effects(model, labels, start, seed)
    predicted = _predicted(model, labels, start, seed)
    report = evaluate(
        predicted,
        observed,
        train=train.to_anndata(),
        effects=effects,
        baselines=_baselines(panel, split, seed),
        seed=seed,
        features=_features(model, panel),
    )
    gated = expressed_untargeted(start.counts, panel.genes, panel.members)
    return Assessment(
        report,
        panel,
        parts,
        split,
        labels,
        tuple(label for label in present if not known(label)),
        predicted,
        observed,
        effects[effects["level"] == LEVEL].reset_index(drop=True),
        gated,
        median_library(start.library),
        fit_only,
    )


def _effects(model: GPJEPA, labels: tuple[str, ...], start: PerturbSeq, seed: int) -> DataFrame:
    """Return the effects with their intervals at every level that coverage is scored at."""
    import pandas

    bundle = model.bundle
    cells = from_anndata(start.to_anndata(), bundle.panel, bundle.vocabulary)
    told = effect_tables(Start(bundle, cells, None), labels, LEVELS, seed)
    return pandas.concat(
        [table.assign(level=level) for level, table in zip(LEVELS, told, strict=True)],
        ignore_index=True,
    )


def _controls(
    data: PerturbSeq, split: Split, parts: SplitCells
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the control cells to predict from and to compare with, of a held-out context only."""
    train, truth = parts.train_controls, parts.truth_controls
    if split.held_out_context is None or split.context_column is None:
        return train, truth
    here = data.covariate(split.context_column) == split.held_out_context
    return train[here[train]], truth[here[truth]]


def _baselines(panel: PerturbSeq, split: Split, seed: int) -> bool | tuple[Baseline, ...]:
    """Return the baselines of a context left out, which its own cells could not fit; else True."""
    return True if split.held_out_context is None else baselines(panel, split, seed)


def _predicted(model: GPJEPA, labels: tuple[str, ...], start: PerturbSeq, seed: int) -> AnnData:
    count = predicted_cells(start.n_genes)
    predicted = model.predict(labels, count, control=start.to_anndata(), seed=seed)
    predicted.obsm["X_embedding"] = model.embed(predicted)
    return predicted


def predicted_cells(genes: int) -> int:
    """Return how many cells are predicted of each perturbation of a panel of `genes`."""
    return max(400, min(CELLS, ENTRIES // genes))


def _features(model: GPJEPA, data: PerturbSeq) -> GeneFeatures | None:
    """Return the prior features of the perturbed genes of the data, for the linear baseline."""
    vocabulary = model.bundle.vocabulary
    values = model.bundle.model.condition.features.cpu().numpy()
    names = [gene for gene in data.members if vocabulary.knows(gene)]
    rows = values[[vocabulary.index_of(gene) for gene in names]]
    present = np.abs(rows).sum(axis=1) > 0
    if not present.any():
        return None
    kept = tuple(name for name, there in zip(names, present, strict=True) if there)
    return GeneFeatures(kept, rows[present])


def _with_embedding(model: GPJEPA, data: PerturbSeq) -> AnnData:
    adata = data.to_anndata()
    adata.obsm["X_embedding"] = model.embed(adata)
    return adata
