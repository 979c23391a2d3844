"""Cell types by nearest neighbours in embeddings that never saw a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gpjepa.api.model import GPJEPA
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.perturbseq import read
from gpjepa.inference.cells import CellTable
from gpjepa.training.cells import log_expression
from gpjepa.training.monitors import effective_rank

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

    from gpjepa.data.perturbseq import PerturbSeq

NEIGHBOURS, FOLDS, COMPONENTS = 15, 5, 50
TARGET = 1e4  # counts, as PCA on log counts is usually given


def neighbour_accuracy(config: Config, seed: int, device: str) -> DataFrame:
    """Return kNN accuracy per condition of Stage A, of its start and of PCA, and the least spread.

    The row "one step" is Stage A after one step: what training adds to where it starts.
    """
    import pandas
    from sklearn.decomposition import PCA

    adata = datasets.load("kang-pbmc")
    data = read(adata, announce=False)
    if data.cell_type is None:
        raise RuntimeError("kang-pbmc has cell types")
    once = config.override(["pretrain.epochs=1", "pretrain.min_steps=1", "pretrain.max_steps=1"])
    embedding, start = (_embedding(data, adata, each, seed, device) for each in (config, once))
    expression = log_expression(CellTable(data.counts, data.library), TARGET).toarray()
    reference = PCA(COMPONENTS, random_state=seed).fit_transform(expression)
    rows = []
    spaces = {"gpjepa": embedding, "one step": start, f"PCA ({COMPONENTS})": reference}
    for name, space in spaces.items():
        for condition in sorted(set(data.labels)):
            here = data.labels == condition
            score = accuracy(space[here], data.cell_type[here].astype(str), seed)
            rows.append((condition, "knn_accuracy", name, score, np.nan))
    rows.append(("all", "least_std", "gpjepa", float(embedding.std(axis=0).min()), np.nan))
    rank = float(effective_rank(torch.from_numpy(embedding)))
    rows.append(("all", "effective_rank", "gpjepa", rank, np.nan))
    return pandas.DataFrame(rows, columns=["group", "metric", "model", "value", "ceiling"])


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
