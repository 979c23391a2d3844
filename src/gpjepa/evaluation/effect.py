"""Formulas that compare predicted with observed effects, row by row.

Arrays are [..., G]: genes last, any leading axes (perturbations, replicates). Effects δ are
differences of log1p pseudobulks. A row without variation carries no information: its
correlation and its slope are 0. NaN in a prediction gives NaN, which every metric counts as
its worst value.
"""

from __future__ import annotations

import numpy as np


def pearson(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return Σ(δ̂−m̂)(δ−m) / √(Σ(δ̂−m̂)² Σ(δ−m)²) per row; best 1, 0 if a side is constant."""
    centred, truth = _centred(predicted), _centred(observed)
    product = np.sqrt((centred**2).sum(-1) * (truth**2).sum(-1))
    return _divide((centred * truth).sum(-1), product, otherwise=0.0)


def r2(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return 1 − Σ(δ−δ̂)² / Σ(δ−m)² per row; best 1, not bounded below.

    The fit is not refitted: scale and offset count. Where the truth is constant it is 0.
    """
    residual = ((observed - predicted) ** 2).sum(-1)
    return 1.0 - _divide(residual, (_centred(observed) ** 2).sum(-1), otherwise=1.0)


def slope(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the slope of truth on prediction, cov(δ, δ̂) / var(δ̂), per row; best 1.

    Above 1 the prediction is too small, below 1 too large or noisy. A constant prediction
    explains nothing: 0.
    """
    centred, truth = _centred(predicted), _centred(observed)
    return _divide((centred * truth).sum(-1), (centred**2).sum(-1), otherwise=0.0)


def norm_ratio(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return ‖δ̂‖ / ‖δ‖ per row; best 1. Noise in δ lowers it."""
    return _divide(
        np.linalg.norm(predicted, axis=-1), np.linalg.norm(observed, axis=-1), otherwise=np.nan
    )


def normalised_mae(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return Σ|δ̂−δ| / Σ|δ| per row; best 0, and 1 for a prediction of no change."""
    return _divide(np.abs(predicted - observed).sum(-1), np.abs(observed).sum(-1), otherwise=np.nan)


def l2(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return ‖δ̂ − δ‖ per row, in log1p units; best 0."""
    return np.linalg.norm(predicted - observed, axis=-1)


def mse_ratio(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return Σ(δ̂−δ)² / Σδ² per row: the error as a share of no change's; best 0.

    Source: Roohani et al. 2024 (GEARS), on the 20 most differential genes.
    """
    return _divide(((predicted - observed) ** 2).sum(-1), (observed**2).sum(-1), otherwise=np.nan)


def discrimination(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the share of other truths less similar by cosine than the own truth, [P].

    Rows of `predicted` and `observed` [P, G] are the same perturbations. Ties count one half,
    so that a constant prediction gets .5, chance; best 1. The cosine cannot be raised by
    scaling the prediction, as a ranking by distance can. NaN for a single perturbation.
    """
    return _rank_own(-_unit(predicted) @ _unit(observed).T)


def centroid_accuracy(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the share of other true states farther away than the own one, [P]; best 1.

    `predicted` and `observed` [P, G] are pseudobulks, not differences from control. Ties count
    one half. Euclidean, as published: an exaggerated prediction can gain, so it is read beside
    `norm_ratio` and `discrimination`. NaN for a single perturbation.

    Source: Viñas Torné et al. 2025 (Systema).
    """
    squares = (observed**2).sum(-1)[None, :] - 2.0 * predicted @ observed.T
    return _rank_own(squares + (predicted**2).sum(-1)[:, None])


def overlap(predicted: np.ndarray, observed: np.ndarray, size: int) -> np.ndarray:
    """Return |top(predicted) ∩ top(observed)| / size per row of differential scores; best 1.

    The scores are |δ| over the gene's standard error among control cells. Genes tied at the
    border of the prediction's list are not chosen by their position: each counts by its
    chance of being drawn, so that a constant prediction gets size / G.
    """
    chosen = _top_share(np.abs(predicted), size)
    truth = _top_share(np.abs(observed), size)
    return (chosen * truth).sum(-1) / size


def _centred(values: np.ndarray) -> np.ndarray:
    """Subtract the row mean; what rounding leaves of a constant row becomes exactly 0."""
    centred = values - values.mean(-1, keepdims=True)
    scale = np.abs(values).max(-1, keepdims=True)
    flat = np.abs(centred).max(-1, keepdims=True) <= 1e-12 * scale
    return np.where(flat, 0.0, centred)


def _divide(numerator: np.ndarray, denominator: np.ndarray, otherwise: float) -> np.ndarray:
    """Divide; where the denominator is exactly 0 return `otherwise`, NaN stays NaN."""
    zero = denominator == 0
    ratio = numerator / np.where(zero, 1.0, denominator)
    return np.where(zero & ~np.isnan(numerator), otherwise, ratio)


def _unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(norms == 0, 1.0, norms)


def _rank_own(distances: np.ndarray) -> np.ndarray:
    """Return the share of columns farther than the diagonal, ties at half; NaN for one row."""
    count = distances.shape[0]
    if count < 2:
        return np.full(count, np.nan)
    own = np.diag(distances)[:, None]
    close = 1e-9 * np.maximum(np.abs(distances), np.abs(own))
    tied = np.abs(distances - own) <= close
    farther = (distances > own) & ~tied
    share = (farther.sum(1) + 0.5 * (tied.sum(1) - 1)) / (count - 1)
    return np.where(np.isnan(own[:, 0]), np.nan, share)


def _top_share(scores: np.ndarray, size: int) -> np.ndarray:
    """Return each gene's chance of being among the `size` highest scores of its row."""
    border = np.partition(scores, -size, axis=-1)[..., -size, None]
    above, equal = scores > border, scores == border
    room = size - above.sum(-1, keepdims=True)
    return above + equal * (room / np.maximum(equal.sum(-1, keepdims=True), 1))
