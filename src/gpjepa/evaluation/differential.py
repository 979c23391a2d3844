"""Differential expression per gene: rank-sum tests, false discovery rate, agreement of calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats


@dataclass(frozen=True, eq=False)
class RankedControl:
    """Control cells sorted once per gene, ready to be compared with many populations.

    `keys` holds gene + rate in (gene, gene + 1] for every different non-zero rate, ascending,
    `sizes` how many cells have it and `before` [keys + 1] how many entries come before it.
    `starts` [G + 1] bounds the entries of each gene; `ties` [G] is Σ(t³ − t) over its sizes.
    """

    keys: np.ndarray
    sizes: np.ndarray
    before: np.ndarray
    starts: np.ndarray
    ties: np.ndarray
    cells: int


def rank_control(counts: sparse.csr_matrix, library: np.ndarray) -> RankedControl:
    """Sort control cells' rates (counts over library) within genes.

    Ranks of rates equal ranks of log-normalised values, so no logarithm is taken.
    """
    genes = counts.shape[1]
    keys, sizes = _tallied(counts, library)
    before = np.concatenate([[0], np.cumsum(sizes)])
    starts = before[np.searchsorted(keys, np.arange(genes + 1), side="right")]
    ties = np.bincount(_gene(keys), weights=_cubic(sizes), minlength=genes)
    return RankedControl(keys, sizes, before, starts, ties, counts.shape[0])


def rank_sum(counts: sparse.csr_matrix, library: np.ndarray, control: RankedControl) -> np.ndarray:
    """Return the two-sided p-value of each gene, perturbed cells against control, [G].

    Mann–Whitney U in the normal approximation with tie and continuity correction, as
    `scipy.stats.mannwhitneyu(method="asymptotic")`. Zeros, most of the data, are one group of
    ties and never touched. 1 where every cell is tied or a side is empty.
    """
    cells, genes = counts.shape
    if cells == 0 or control.cells == 0:
        return np.ones(genes)
    keys, sizes = _tallied(counts, library)
    gene = _gene(keys)
    place = np.searchsorted(control.keys, keys)
    equal = np.zeros(keys.size, dtype=np.int64)
    inside = np.flatnonzero(place < control.keys.size)
    match = inside[control.keys[place[inside]] == keys[inside]]
    equal[match] = control.sizes[place[match]]
    positive = np.bincount(gene, weights=sizes, minlength=genes)
    zeros, control_zeros = cells - positive, control.cells - np.diff(control.starts)
    below = control.before[place] - control.starts[gene] + control_zeros[gene] + 0.5 * equal
    u = np.bincount(gene, weights=sizes * below, minlength=genes) + 0.5 * zeros * control_zeros
    ties = control.ties + _cubic(zeros + control_zeros)
    merged = _cubic(sizes + equal) - _cubic(equal)
    ties = ties + np.bincount(gene, weights=merged, minlength=genes)
    return _two_sided(u, ties, cells, control.cells)


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


def _tallied(counts: sparse.csr_matrix, library: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different gene + rate of non-zero entries, ascending, and how often each is.

    Rates lie in (0, 1], so keys of one gene never reach those of the next.
    """
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    stored = np.flatnonzero(counts.data > 0)
    rate = counts.data[stored] / np.asarray(library, dtype=np.float64)[rows[stored]]
    keys = np.sort(counts.indices[stored] + rate)
    first = np.flatnonzero(np.diff(keys, prepend=-1.0))
    return keys[first], np.diff(first, append=keys.size)


def _gene(keys: np.ndarray) -> np.ndarray:
    return np.ceil(keys).astype(np.int64) - 1


def _cubic(sizes: np.ndarray) -> np.ndarray:
    sizes = np.asarray(sizes, dtype=np.float64)
    return sizes**3 - sizes


def _two_sided(u: np.ndarray, ties: np.ndarray, first: int, second: int) -> np.ndarray:
    total = first + second
    spread = total + 1.0 - ties / (total * (total - 1.0))
    variance = np.maximum(first * second / 12.0 * spread, 0.0)
    distance = np.abs(u - first * second / 2.0) - 0.5
    flat = variance <= 1e-12 * first * second
    z = distance / np.sqrt(np.where(flat, 1.0, variance))
    return np.where(flat, 1.0, np.minimum(2.0 * stats.norm.sf(z), 1.0))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
