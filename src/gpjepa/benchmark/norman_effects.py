"""norman-effects: composition of 126 doubles on the genes that K562 cells express."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark.effect_tables import held_out_doubles, held_out_genes
from gpjepa.benchmark.interactions import crossed_interactions
from gpjepa.core.config import Config
from gpjepa.data import datasets
from gpjepa.data.labels import members_of
from gpjepa.evaluation.effect_table import EffectTable

if TYPE_CHECKING:
    from pandas import DataFrame

LEAST_CPM = 10.0  # counts per million in unperturbed K562 cells


def load_table() -> EffectTable:
    """Return the measured effects on the scored genes.

    These are expressed in unperturbed K562 cells by a baseline measured elsewhere, and no target
    of a perturbation: the others are noise, or give the perturbation away.
    """
    adata = datasets.load("norman-effects")
    labels = tuple(str(label) for label in adata.obs_names)
    genes = np.array([str(gene) for gene in adata.var_names], dtype=object)
    kept = scored_genes(labels, genes)
    effects = np.asarray(adata.X, dtype=np.float64)[:, kept]
    return EffectTable(labels, effects, genes[kept])


def scored_genes(labels: tuple[str, ...], genes: np.ndarray) -> np.ndarray:
    """Return the columns of genes above 10 CPM in K562 that no label perturbs."""
    expression = datasets.baseline("k562")["relative_expression"]
    level = {str(gene): 1e6 * float(share) for gene, share in expression.items()}
    today = datasets.aliases()
    targets = {gene for label in labels for gene in members_of(label)}
    targets |= {today[gene] for gene in targets if gene in today}
    scored = [level.get(gene, 0.0) >= LEAST_CPM and gene not in targets for gene in genes]
    return np.flatnonzero(scored)


def doubles(config: Config, seed: int, device: str) -> DataFrame:
    """Score half of the doubles, held out."""
    return held_out_doubles(load_table(), seed, None)


def genes(config: Config, seed: int, device: str) -> DataFrame:
    """Score a quarter of the perturbed genes, held out with their doubles."""
    return held_out_genes(load_table(), seed, None)


def interactions(config: Config, seed: int, device: str) -> DataFrame:
    """Score the interactions of all doubles, each fifth predicted from the others."""
    return crossed_interactions(load_table(), seed)
