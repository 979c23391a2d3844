"""Geometry of an embedding: its spread, its neighbourhoods and those of the counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gpjepa.evaluation.equalise import log_normalise, thin

NEIGHBOURS = 15
COMPONENTS = 50
COLLAPSED = 0.01  # share of the median dimension's std below which a dimension is collapsed


@dataclass(frozen=True, eq=False)
class Spread:
    """How much of its dimensions an embedding uses."""

    std: np.ndarray  # [D]
    effective_rank: float  # 1 … D
    collapsed: float  # share of the dimensions


def spread(embedding: np.ndarray) -> Spread:
    """Measure the spread of cells [B, D].

    The effective rank is exp(entropy) of the shares of variance of the principal components.

    Source: Roy and Vetterli (2007), on the eigenvalues of the covariance.
    """
    values = np.asarray(embedding, dtype=np.float64)
    centred = values - values.mean(axis=0)
    std = centred.std(axis=0)
    variances = np.linalg.eigvalsh(centred.T @ centred / max(len(values), 1))
    variances = np.maximum(variances, 0.0)
    total = variances.sum()
    if total == 0:
        return Spread(std, 1.0, 1.0)
    share = variances[variances > 0] / total
    rank = float(np.exp(-(share * np.log(share)).sum()))
    return Spread(std, rank, float((std < COLLAPSED * np.median(std)).mean()))


def principal_components(
    counts: sparse.csr_matrix,
    library: np.ndarray,
    target: float,
    components: int = COMPONENTS,
    seed: int = 0,
) -> np.ndarray:
    """Return principal component scores [B, K] of log1p(target · counts / library)."""
    from sklearn.utils.extmath import randomized_svd

    values = log_normalise(counts.toarray(), np.asarray(library, dtype=np.float64), target)
    centred = values - values.mean(axis=0)
    rank = max(1, min(components, len(values) - 1, values.shape[1]))
    left, singular, _ = randomized_svd(centred, rank, random_state=seed % 2**32)
    return (left * singular).astype(np.float64)


def neighbours(points: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """Return the indices [B, count] of each cell's nearest other cells, by Euclidean distance."""
    from sklearn.neighbors import NearestNeighbors

    count = min(count, len(points) - 1)
    return NearestNeighbors(n_neighbors=count).fit(points).kneighbors(return_distance=False)


def neighbourhood_overlap(
    first: np.ndarray, second: np.ndarray, count: int = NEIGHBOURS
) -> np.ndarray:
    """Return per cell [B] the share of its nearest cells that both spaces agree on."""
    near, also = neighbours(first, count), neighbours(second, count)
    width = near.shape[1]
    both = np.sort(np.concatenate([near, also], axis=1), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(axis=1) / width


def replicate_overlap(
    counts: sparse.csr_matrix,
    library: np.ndarray,
    target: float,
    rng: np.random.Generator,
    seed: int = 0,
) -> float:
    """Return the overlap of the expression spaces of two halves of every cell's own counts.

    Each unit goes to one half at random: what the counts themselves know of neighbourhoods, at
    half the depth.
    """
    whole = counts.toarray().astype(np.int64)
    half = thin(whole, 0.5, rng)
    first, second = (
        principal_components(sparse.csr_matrix(part), library / 2, target, seed=seed)
        for part in (half, whole - half)
    )
    return float(neighbourhood_overlap(first, second).mean())


def shift_similarity(
    predicted: np.ndarray,
    predicted_origin: np.ndarray,
    observed: np.ndarray,
    observed_origin: np.ndarray,
) -> float:
    """Return the cosine of two shifts of centroids; 0 when one does not move, NaN without cells.

    Each argument is an embedding of cells [·, D]; the origins are disjoint control cells, so
    that their noise does not make the shifts alike.
    """
    if not min(len(predicted), len(predicted_origin), len(observed), len(observed_origin)):
        return float("nan")
    first = predicted.mean(axis=0) - predicted_origin.mean(axis=0)
    second = observed.mean(axis=0) - observed_origin.mean(axis=0)
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / scale if scale > 0 else 0.0
