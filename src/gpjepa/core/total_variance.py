"""Shares of a variance by source, from cells drawn again with some of their sources kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BLOCKS = 20  # of cells, left out in turn for the error


def variance_shares(
    cells: np.ndarray, copies: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares [K + 1] of the variance of `cells` [B, G] by source, and their errors.

    Sources come in an order. Copy k has the first k + 1 sources of each cell and draws the others
    again, so its covariance with the cells is the variance of what those sources make expect; the
    next source adds what the next covariance has more, the last one what is left to the variance.
    Variances are summed over genes; shares sum to 1 and are not clipped. Errors are one standard
    error, by the jackknife over blocks of cells in the order that they are given.
    Source: the law of total variance; Sobol' 2001 for its estimate from shared inputs.

    Raises `ValueError` for fewer than two cells.
    """
    count = len(cells)
    if count < 2:
        raise ValueError(f"found {count} cells; expected two or more; draw more cells")
    blocks = np.array_split(np.arange(count), min(BLOCKS, count))
    sums = [_sums([cells[block], *(copy[block] for copy in copies)]) for block in blocks]
    products, means = (np.stack([each[part] for each in sums]) for part in range(2))
    sizes = np.array([len(block) for block in blocks], dtype=np.float64)
    whole = _shares(products.sum(axis=0), means.sum(axis=0), float(count))
    without = np.stack(
        [
            _shares(products.sum(axis=0) - product, means.sum(axis=0) - mean, count - size)
            for product, mean, size in zip(products, means, sizes, strict=True)
        ]
    )
    spread = ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    return whole, np.sqrt(spread * (len(blocks) - 1) / len(blocks))


def _sums(sides: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return products with the first side [sides, G], its own first, and sums [sides, G]."""
    first = sides[0].astype(np.float64)
    products = [(first * side).sum(axis=0) for side in sides]
    return np.stack(products), np.stack([side.sum(axis=0, dtype=np.float64) for side in sides])


def _shares(products: np.ndarray, sums: np.ndarray, count: float) -> np.ndarray:
    covariance = (products / count - sums / count * sums[0] / count).sum(axis=1)
    steps = np.diff([0.0, *covariance[1:], covariance[0]])
    return np.asarray(steps / covariance[0] if covariance[0] > 0 else np.full(len(steps), np.nan))


def alike(values: np.ndarray) -> np.ndarray:
    """Return for each cell another with about its value: neighbours in order, in pairs."""
    order = np.argsort(values, kind="stable")
    partner = np.arange(len(values))
    even = len(values) - len(values) % 2
    partner[order[0:even:2]], partner[order[1:even:2]] = order[1:even:2], order[0:even:2]
    if even < len(values) and even:
        partner[order[-1]] = order[-2]
    return partner
