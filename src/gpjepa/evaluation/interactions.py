"""Genetic interactions: what a combination does beyond the sum of its members, and tests of it.

In states x (log1p pseudobulks) the effects of a combination of k members and of its members
share one control, ε = (x_ab − c) − Σ(x_m − c) = x_ab − Σ x_m + (k − 1) c: the control enters
with a single coefficient, not once for each difference.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from gpjepa.evaluation.differential import benjamini_hochberg

LEVEL = 0.05  # false discovery rate of the labels
PAIR_FOLD = 2.0  # beyond additivity, that some gene must reach for a pair to interact


def interaction(combined: np.ndarray, singles: np.ndarray) -> np.ndarray:
    """Return ε = δ_combined − Σ δ_single from effects [..., G] and [..., K, G]."""
    return combined - singles.sum(axis=-2)


def state_interaction(combined: np.ndarray, singles: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return ε from states [..., G], [..., K, G] and the control's state [G]."""
    return combined - singles.sum(axis=-2) + (singles.shape[-2] - 1) * control


def interaction_error(combined: np.ndarray, singles: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return the standard error of ε from those of the states, shapes as `state_interaction`.

    √(se_combined² + Σ se_single² + (k − 1)² se_control²), the cells of the terms being different
    ones; the control's coefficient is that of ε, where it enters once.
    """
    shared = (singles.shape[-2] - 1) * control
    return np.sqrt(combined**2 + (singles**2).sum(axis=-2) + shared**2)


def interaction_pvalues(value: np.ndarray, error: np.ndarray, fold: float = 1.0) -> np.ndarray:
    """Return p-values of |ε| ≤ log `fold` against more, element by element.

    With `fold` 1 the two-sided z test. Above, P(|Z·se ± log fold| ≥ |ε|) at the border of the
    null hypothesis. An error of 0 or NaN tests nothing: 1.

    Source: McCarthy & Smyth 2009, Bioinformatics 25:765 (tests against a fold change).
    """
    usable = np.isfinite(error) & (error > 0) & np.isfinite(value)
    scale = np.where(usable, error, 1.0)
    size, border = np.abs(np.where(usable, value, 0.0)), np.log(fold)
    tails = stats.norm.sf((size - border) / scale) + stats.norm.sf((size + border) / scale)
    return np.where(usable, np.minimum(tails, 1.0), 1.0)


def interacting_genes(
    value: np.ndarray, error: np.ndarray, fold: float = 1.0, level: float = LEVEL
) -> np.ndarray:
    """Mark the genes [P, G] with an interaction: Benjamini–Hochberg over all pairs and genes."""
    pvalues = interaction_pvalues(value, error, fold)
    return benjamini_hochberg(pvalues.ravel()).reshape(pvalues.shape) <= level


def interacting_pairs(
    value: np.ndarray, error: np.ndarray, fold: float = PAIR_FOLD, level: float = LEVEL
) -> np.ndarray:
    """Mark the pairs [P] in which some gene is more than `fold` from the sum.

    Simes' test over the genes of a pair, which holds for positively dependent genes as the sum
    of squared z would not, then Benjamini–Hochberg over pairs. Without a least `fold` nearly
    every well-measured pair interacts somewhere, and nothing is left to predict.

    Source: Simes 1986, Biometrika 73:751.
    """
    simes = benjamini_hochberg(interaction_pvalues(value, error, fold)).min(axis=-1)
    return benjamini_hochberg(simes) <= level


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the average precision Σ (R_n − R_{n−1}) P_n of 1-D scores: area under the curve.

    Ties are broken at random, in expectation: constant scores get `chance_precision`. A NaN
    score ranks last. NaN without any positive label.
    """
    return float(resampled_average_precision(scores, labels, np.ones((1, len(scores))))[0])


def resampled_average_precision(
    scores: np.ndarray, labels: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return the average precision when item i is there `counts` [R, N] (whole) times, [R].

    A tie of m items, p of them positive, after s items with f positives, adds
    p/m Σ_{j=1..m} (f + 1 + (j − 1)(p − 1)/(m − 1)) / (s + j).
    """
    labels = np.asarray(labels, dtype=bool)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    drawn = counts[:, order]
    found = np.cumsum(drawn * labels[order], axis=1)[:, ends]
    looked = np.cumsum(drawn, axis=1)[:, ends]
    before = np.concatenate([np.zeros((len(looked), 1)), looked[:, :-1]], axis=1)
    tied, positive = looked - before, np.diff(found, axis=1, prepend=0.0)
    harmonic = _harmonic(int(looked.max(initial=0)))
    slices = harmonic[looked.astype(np.int64)] - harmonic[before.astype(np.int64)]
    others = np.where(tied > 1, (positive - 1) / np.maximum(tied - 1, 1), 0.0)
    first = found - positive + 1
    area = (
        positive / np.maximum(tied, 1) * (first * slices + others * (tied - (before + 1) * slices))
    )
    total = found[:, -1]
    return np.where(total > 0, area.sum(axis=1) / np.where(total > 0, total, 1.0), np.nan)


def chance_precision(labels: np.ndarray) -> np.ndarray:
    """Return the mean average precision of random orders along the last axis; NaN without any.

    r + (1 − r) H_N / N with r = (P − 1)/(N − 1): above the base rate P / N, and far above for
    few items.

    Source: Bestgen 2015, "Exact expected average precision of the random baseline".
    """
    labels = np.asarray(labels, dtype=bool)
    count, positive = labels.shape[-1], labels.sum(axis=-1)
    other = (positive - 1) / max(count - 1, 1)
    chance = other + (1.0 - other) * _harmonic(count)[-1] / max(count, 1)
    return np.where(positive > 0, chance, np.nan)


def signed_items(value: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return the labels [P, 2G] of genes that interact upwards, then of those downwards.

    `signed_scores` are the scores of these items: an interaction of the wrong sign is not found.
    Without the sign, noise that a model shares with the labels would count whatever its sign.
    """
    return np.concatenate([genes & (value > 0), genes & (value < 0)], axis=-1)


def signed_scores(predicted: np.ndarray) -> np.ndarray:
    """Return the scores [P, 2G] of `signed_items`: ε̂, then −ε̂."""
    return np.concatenate([predicted, -predicted], axis=-1)


def row_average_precision(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the average precision of each row of [P, N]; NaN for rows without a positive."""
    pairs = zip(scores, labels, strict=True)
    return np.array([average_precision(score, label) for score, label in pairs])


def base_rate(labels: np.ndarray) -> np.ndarray:
    """Return the share of positives along the last axis."""
    return np.asarray(labels, dtype=bool).mean(axis=-1)


def _harmonic(count: int) -> np.ndarray:
    """Return H_0 … H_count."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, count + 1))])
