"""Cell types in embeddings that never saw a label, beside PCA and the most variable genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gpjepa.api.model import GPJEPA
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import MODEL
from gpjepa.core.config import Config
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.selection import select_genes
from gpjepa.evaluation.cell_types import separation
from gpjepa.inference.cells import CellTable
from gpjepa.training.cells import log_expression
from gpjepa.training.monitors import effective_rank

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

NEIGHBOURS, FOLDS, COMPONENTS, VARIABLE = 15, 5, 50, 2000
TARGET = 1e4  # counts, as PCA on log counts is usually given


def score_cell_types(
    adata: AnnData, data: PerturbSeq, config: Config, seed: int, device: str
) -> DataFrame:
    """Return kNN accuracy and AvgBIO per condition of Stage A and of simple spaces.

    The row "one step" is Stage A after one step: what training adds to where it starts. AvgBIO
    is given at the Leiden resolution that the labels would choose, as the field does, and at
    1.0, which no label informs.
    """
    import pandas

    if data.cell_type is None:
        raise RuntimeError("cells without types cannot be scored by type")
    found = spaces(adata, data, config, seed, device)
    rows: list[tuple[str, str, str, float, float, float, int]] = []
    for name, space in found.items():
        for condition in sorted(set(data.labels)):
            here = data.labels == condition
            types = data.cell_type[here].astype(str)
            best, fixed = separation(space[here], types, seed)
            scores = {
                "knn_accuracy": accuracy(space[here], types, seed),
                "avg_bio": best.average,
                "avg_bio_fixed": fixed.average,
            }
            for metric, value in scores.items():
                row = (f"types, {condition}", metric, name, value, np.nan, np.nan)
                rows.append((*row, int(here.sum())))
    embedding = found["gpjepa"]
    rank = float(effective_rank(torch.from_numpy(embedding)))
    for metric, value in (("least_std", float(embedding.std(axis=0).min())), ("rank", rank)):
        rows.append(("collapse", metric, "gpjepa", value, np.nan, np.nan, len(embedding)))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def score_fitted(
    adata: AnnData, data: PerturbSeq, config: Config, seed: int, device: str
) -> DataFrame:
    """Return kNN accuracy per condition in the embeddings of the model after all stages."""
    import pandas

    if data.cell_type is None:
        raise RuntimeError("cells without types cannot be scored by type")
    model = GPJEPA(data, config, seed=seed, device=device)
    model.pretrain()
    model.fit()
    space, rows = model.embed(adata), []
    for condition in sorted(set(data.labels)):
        here = data.labels == condition
        value = accuracy(space[here], data.cell_type[here].astype(str), seed)
        row = (f"types, {condition}, after fit", "knn_accuracy", MODEL, value, np.nan, np.nan)
        rows.append((*row, int(here.sum())))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def spaces(
    adata: AnnData, data: PerturbSeq, config: Config, seed: int, device: str
) -> dict[str, np.ndarray]:
    """Return the cells in every space that is compared, [cells, dimensions] each."""
    from sklearn.decomposition import PCA

    once = config.override(["pretrain.epochs=1", "pretrain.min_steps=1", "pretrain.max_steps=1"])
    embedding, start = (_embedding(data, adata, each, seed, device) for each in (config, once))
    expression = log_expression(CellTable(data.counts, data.library), TARGET).toarray()
    variable = set(select_genes(data, np.arange(data.n_cells), VARIABLE))
    chosen = [gene in variable for gene in data.genes]
    return {
        "gpjepa": embedding,
        "one step": start,
        f"PCA ({COMPONENTS})": PCA(COMPONENTS, random_state=seed).fit_transform(expression),
        f"{VARIABLE} variable genes": expression[:, np.flatnonzero(chosen)],
    }


def _embedding(
    data: PerturbSeq, adata: AnnData, config: Config, seed: int, device: str
) -> np.ndarray:
    model = GPJEPA(data, config, seed=seed, device=device)
    model.pretrain()
    return model.embed(adata)


def accuracy(space: np.ndarray, types: np.ndarray, seed: int) -> float:
    """Return the cross-validated accuracy of 15 nearest neighbours over 5 stratified folds."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    classifier = KNeighborsClassifier(NEIGHBOURS)
    return float(cross_val_score(classifier, space, types, cv=folds).mean())
