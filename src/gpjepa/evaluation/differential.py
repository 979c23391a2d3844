"""Differential expression per gene: false discovery rate and agreement of calls."""

from __future__ import annotations

import numpy as np


def benjamini_hochberg(pvalues: np.ndarray) -> np.ndarray:
    """Return the adjusted p-values along the last axis.

    Source: Benjamini & Hochberg 1995.
    """
    order = np.argsort(pvalues, axis=-1)
    count = pvalues.shape[-1]
    scaled = np.take_along_axis(pvalues, order, -1) * count / np.arange(1, count + 1)
    adjusted = np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1].clip(max=1.0)
    result = np.empty_like(adjusted)
    np.put_along_axis(result, order, adjusted, -1)
    return result


def direction_agreement(
    predicted: np.ndarray, observed: np.ndarray, significant: np.ndarray
) -> np.ndarray:
    """Return the share of truly significant genes whose predicted effect has the true sign, [P].

    A predicted effect of exactly 0 counts one half: it chooses no direction. Best 1; NaN where
    the truth has no significant gene.
    """
    agreement = 0.5 * (1.0 + np.sign(predicted) * np.sign(observed))
    return _share((agreement * significant).sum(-1), significant.sum(-1))


def precision(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the share of the genes called in the prediction that are called in the truth, [P].

    Arguments are boolean calls [P, G]. Best 1; 0 where nothing is called although the truth has
    calls; NaN where the truth has none.
    """
    hits = (predicted & observed).sum(-1)
    value = _share(hits, predicted.sum(-1))
    return np.where(observed.any(-1), np.nan_to_num(value, nan=0.0), np.nan)


def recall(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the share of the genes called in the truth that are called in the prediction, [P].

    Best 1; NaN where the truth has no call.
    """
    return _share((predicted & observed).sum(-1), observed.sum(-1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
