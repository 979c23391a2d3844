"""kang-pbmc: interferon-β in a cell type left out (scGen's task); cell types zero-shot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpjepa.benchmark.cell_types import score_cell_types, score_fitted
from gpjepa.benchmark.contexts import score_context
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.perturbseq import read

if TYPE_CHECKING:
    from pandas import DataFrame

LEFT_OUT = ("CD4T", "FCGR3A+Mono", "B")  # one a seed: the three types with most cells
GENES = 2000  # most variable ones that are modelled


def unseen_cell_type(config: Config, seed: int, device: str) -> DataFrame:
    """Score the response of a cell type of which only unstimulated cells were trained on."""
    data = read(datasets.load("kang-pbmc"), announce=False)
    level = LEFT_OUT[seed % len(LEFT_OUT)]
    fewer = config.override([f"data.genes={GENES}"])
    return score_context(data, "cell_type", level, "cell type left out", fewer, seed, device)


def cell_types(config: Config, seed: int, device: str) -> DataFrame:
    """Score cell types in the embeddings of Stage A alone, labels unseen."""
    adata = datasets.load("kang-pbmc")
    return score_cell_types(adata, read(adata, announce=False), config, seed, device)


def types_after_fit(config: Config, seed: int, device: str) -> DataFrame:
    """Score cell types in the embeddings that fit leaves, labels unseen; nothing is held out."""
    adata = datasets.load("kang-pbmc")
    fewer = config.override([f"data.genes={GENES}"])
    return score_fitted(adata, read(adata, announce=False), fewer, seed, device)
