"""How well an embedding separates annotated cell types that it was not shown."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gpjepa.core.errors import ConfigError
from gpjepa.evaluation.embedding_space import NEIGHBOURS, neighbours

FOLDS = 5
RESOLUTIONS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.4, 2.0)
FIXED = 1.0  # the resolution when labels may not choose it


@dataclass(frozen=True)
class Separation:
    """Agreement of clusters with types, in [0, 1] but for ari and silhouette (from −1)."""

    nmi: float
    ari: float
    silhouette: float
    clusters: int

    @property
    def average(self) -> float:
        """AvgBIO = mean(NMI, ARI, (silhouette + 1) / 2)."""
        return (self.nmi + self.ari + (self.silhouette + 1) / 2) / 3


def knn_accuracy(embedding: np.ndarray, types: np.ndarray, seed: int = 0) -> float:
    """Return the share of cells whose type their 15 nearest training cells vote for, 5 folds.

    NaN with fewer cells than folds.
    """
    from sklearn.model_selection import KFold
    from sklearn.neighbors import KNeighborsClassifier

    if len(types) < FOLDS:
        return float("nan")
    codes = np.unique(types.astype(str), return_inverse=True)[1]
    correct = np.zeros(len(codes))
    folds = KFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    for train, test in folds.split(embedding):
        voters = KNeighborsClassifier(min(NEIGHBOURS, len(train)))
        voters.fit(embedding[train], codes[train])
        correct[test] = voters.predict(embedding[test]) == codes[test]
    return float(correct.mean())


def separation(
    embedding: np.ndarray, types: np.ndarray, seed: int = 0
) -> tuple[Separation, Separation]:
    """Return the separation at the resolution that labels would choose and at the fixed one.

    The first takes the Leiden resolution with the highest NMI, as the field does; the second
    the resolution 1.0, which no label informs.

    Raises `ConfigError` when igraph is not installed.
    """
    from sklearn.metrics import (
        adjusted_rand_score,
        normalized_mutual_info_score,
        silhouette_score,
    )

    names = np.unique(types.astype(str), return_inverse=True)[1]
    width = float(silhouette_score(embedding, names))
    found = []
    for clusters in leiden(embedding, RESOLUTIONS, seed):
        nmi = float(normalized_mutual_info_score(names, clusters))
        ari = float(adjusted_rand_score(names, clusters))
        found.append(Separation(nmi, ari, width, len(np.unique(clusters))))
    best = max(found, key=lambda result: result.nmi)
    return best, found[RESOLUTIONS.index(FIXED)]


def leiden(
    embedding: np.ndarray, resolutions: tuple[float, ...], seed: int = 0
) -> list[np.ndarray]:
    """Cluster the neighbour graph of the cells, once per resolution.

    Cells are joined when one is among the 15 nearest of the other, with the weight of the
    Jaccard index of their neighbourhoods.

    Source: Traag, Waltman and van Eck (2019), modularity with a resolution.
    """
    try:
        import igraph
    except ImportError as error:
        raise ConfigError(
            f"package {error.name!r} is not installed; expected igraph for clusters of cells; "
            "install it, or leave the cell types out"
        ) from error
    pairs, weights = neighbour_graph(embedding)
    graph = igraph.Graph(n=len(embedding), edges=pairs.tolist())
    found = []
    # igraph draws from one generator per process: ours for as long as it clusters.
    igraph.set_random_number_generator(random.Random(seed))
    try:
        for resolution in resolutions:
            clusters = graph.community_leiden(
                "modularity", weights=weights.tolist(), resolution=resolution, n_iterations=-1
            )
            found.append(np.asarray(clusters.membership))
    finally:
        igraph.set_random_number_generator(random)
    return found


def neighbour_graph(embedding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the joined pairs of cells [E, 2], each once, and their Jaccard weights [E]."""
    near = neighbours(embedding)
    cells, width = near.shape
    rows = np.repeat(np.arange(cells), width)
    joined = sparse.csr_matrix((np.ones(near.size), (rows, near.ravel())), shape=(cells, cells))
    joined += sparse.eye_array(cells, format="csr")  # a cell is its own neighbour
    edges = sparse.triu(joined + joined.T, k=1).tocoo()
    pairs = np.stack([edges.row, edges.col], axis=1).astype(np.int64)
    shared = np.asarray(joined[pairs[:, 0]].multiply(joined[pairs[:, 1]]).sum(axis=1)).ravel()
    return pairs, shared / (2 * (width + 1) - shared)
