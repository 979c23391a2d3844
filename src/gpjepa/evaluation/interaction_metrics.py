"""Scores of predicted interactions against measured ones, per gene and per combination."""

from __future__ import annotations

import numpy as np

from gpjepa.evaluation.effect import pearson
from gpjepa.evaluation.interactions import (
    average_precision,
    resampled_average_precision,
    row_average_precision,
    signed_items,
    signed_scores,
)
from gpjepa.evaluation.metric import Metric

GENE_METRICS = (
    Metric("interaction_pearson", 1.0, -1.0, "higher", "Pearson r of interactions over genes"),
    Metric("interaction_auprc", 1.0, 0.0, "higher", "average precision of interacting genes"),
)
PAIR_METRIC = Metric(
    "interaction_auprc_pairs", 1.0, 0.0, "higher", "average precision of interacting pairs"
)
INTERACTION_METRICS = (*GENE_METRICS, PAIR_METRIC)


def gene_scores(predicted: np.ndarray, value: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return `GENE_METRICS` [M, K] of predicted ε against measured ε, all [K, G].

    Pearson r over the genes of a combination, and the average precision of ±ε̂ at finding the
    significant genes, `genes`, with their sign. A combination with a NaN in its prediction gets
    the worst; without significant genes the average precision is NaN, not defined.
    """
    items = signed_items(value, genes)
    found = row_average_precision(signed_scores(predicted), items)
    scores = np.stack([pearson(predicted, value), found])
    worst = np.array([metric.worst for metric in GENE_METRICS])[:, None]
    scores = np.where(np.isfinite(predicted).all(axis=1), scores, worst)
    scores[1, ~items.any(axis=1)] = np.nan
    return scores


def pair_score(predicted: np.ndarray, pairs: np.ndarray) -> float:
    """Return the average precision of ‖ε̂‖ [K, G] at finding the interacting combinations [K].

    The worst where a prediction holds a NaN; NaN where no combination interacts.
    """
    if not np.isfinite(predicted).all():
        return PAIR_METRIC.worst if pairs.any() else float("nan")
    return average_precision(np.linalg.norm(predicted, axis=1), pairs)


def resampled_pair_score(
    predicted: np.ndarray, pairs: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return `pair_score` when combinations are there `counts` [R, K] times, [R]."""
    if not np.isfinite(predicted).all():
        return np.full(len(counts), pair_score(predicted, pairs))
    return resampled_average_precision(np.linalg.norm(predicted, axis=1), pairs, counts)
