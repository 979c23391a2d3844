"""The linear baseline: effects as a bilinear form of gene and perturbation embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.evaluation.effect_table import EffectTable

if TYPE_CHECKING:
    from gpjepa.data.gene_features import GeneFeatures

COMPONENTS = 10  # K
RIDGE = 0.1  # λ
FEWEST = 2  # training perturbations that have an embedding


@dataclass(frozen=True, eq=False)
class Linear:
    """Predict δ = G W pᵀ + b, p the sum of the members' embeddings.

    A row is NaN when a member has no embedding.
    """

    embedding: dict[str, np.ndarray]  # member -> [K]
    weights: np.ndarray  # G W, float64 [genes, K]
    offset: np.ndarray  # b, in effect units [genes]
    name: str = "linear"
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G]."""
        result = np.full((len(labels), len(self.offset)), np.nan)
        for index, label in enumerate(labels):
            members = members_of(label)
            if all(member in self.embedding for member in members):
                point = np.sum([self.embedding[member] for member in members], axis=0)
                result[index] = self.weights @ point + self.offset
        return result


def gene_embedding(profiles: np.ndarray, components: int = COMPONENTS) -> np.ndarray:
    """Return the first principal component scores of genes [G, K]; profiles is [P, G]."""
    centred = profiles.T - profiles.T.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    count = min(components, int((values > 1e-9 * max(values[0], 1e-300)).sum()))
    return left[:, :count] * values[:count]


def solve(
    genes: np.ndarray, effects: np.ndarray, perturbations: np.ndarray, ridge: float = RIDGE
) -> np.ndarray:
    """Return W [K, K'] of min ‖Y − G W Pᵀ‖² with both ridges.

    W = (GᵀG + λI)⁻¹ Gᵀ Y P (PᵀP + λI)⁻¹ for G [genes, K], Y [genes, N], P [N, K'].

    Source: Ahlmann-Eltze, Huber and Anders (2025), the linear model and its equation.
    """
    left = genes.T @ genes + ridge * np.eye(genes.shape[1])
    right = perturbations.T @ perturbations + ridge * np.eye(perturbations.shape[1])
    middle = genes.T @ effects @ perturbations
    return np.linalg.solve(right, np.linalg.solve(left, middle).T).T


def fit_linear(table: EffectTable, features: GeneFeatures | None = None) -> Linear:
    """Fit the linear baseline.

    Genes are embedded by PCA of the training pseudobulks (of the effects when the control's
    profile is not known). Members are embedded by the row of their own gene, or by `features`
    where that embeds more of the training perturbations.
    """
    profiles = table.effects
    if table.control is not None:
        profiles = np.vstack([table.control, table.effects + table.control])
    genes = gene_embedding(profiles)
    names = [] if table.genes is None else [str(gene) for gene in table.genes]
    embedding = dict(zip(names, genes, strict=False))
    usable, source = _embedded(table, embedding), "the gene's own row"
    if features is not None:
        rows = np.asarray(features.values, dtype=np.float64)
        given = dict(zip(features.names, rows, strict=True))
        if len(_embedded(table, given)) > len(usable):
            embedding, source = given, "features"
            usable = _embedded(table, embedding)
    offset = table.effects.mean(axis=0)
    width = len(next(iter(embedding.values()))) if embedding else genes.shape[1]
    if len(usable) < FEWEST:
        note = f"not fitted: {len(usable)} training perturbations have an embedding ({source})"
        nothing = np.zeros((len(offset), width))
        return Linear(embedding, nothing, offset, fitted=False, notes=(note,))
    points = np.asarray(
        [
            np.sum([embedding[member] for member in members_of(table.labels[index])], axis=0)
            for index in usable
        ]
    )
    weights = genes @ solve(genes, (table.effects[usable] - offset).T, points)
    note = f"members by {source}, {len(usable)} of {len(table.labels)} training perturbations"
    return Linear(embedding, weights, offset, notes=(note,))


def _embedded(table: EffectTable, embedding: dict[str, np.ndarray]) -> list[int]:
    """Return the rows whose members all have an embedding."""
    return [
        index
        for index, label in enumerate(table.labels)
        if all(member in embedding for member in members_of(label))
    ]
