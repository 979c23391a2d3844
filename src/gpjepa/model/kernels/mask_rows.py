"""Which expressed and silent genes of a cell are held out, gene by gene and no further; numba.

Cells are rows in CSR form: `starts` [B + 1] and `genes` [N]. Single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

FLOAT = np.float32
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _threshold(scores, wanted):
    """Return the `wanted`-th greatest of the scores, which are put in another order."""
    low, high = 0, scores.shape[0] - 1
    place = high + 1 - wanted
    while low < high:
        pivot = scores[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while scores[i] < pivot:
                i += 1
            while scores[j] > pivot:
                j -= 1
            if i <= j:
                scores[i], scores[j] = scores[j], scores[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return scores[place]


@njit(**OPTIONS)
def hold_out(
    starts, genes, noise, block_scores, by_block, blocks, wanted, first, last, held, threshold
):
    """Mark which counts [N] are held out; write each row's `threshold` and how many they are.

    The `wanted` [B] expressed genes of the highest scores; a cell without counts holds out none.
    """
    for row in range(first, last):
        here, upto = starts[row], starts[row + 1]
        scores = np.empty(upto - here, FLOAT)
        for i in range(upto - here):
            scores[i] = _score(row, genes[here + i], noise, block_scores, by_block, blocks)
        threshold[row] = _threshold(scores.copy(), wanted[row])
        for i in range(upto - here):
            held[here + i] = scores[i] >= threshold[row]


@njit(**OPTIONS)
def _score(row, gene, noise, block_scores, by_block, blocks):
    if by_block[row]:
        return block_scores[row, blocks[gene]] + FLOAT(1e-3) * noise[row, gene]
    return noise[row, gene]


@njit(**OPTIONS)
def hold_out_silent(
    starts, genes, noise, block_scores, by_block, blocks, threshold, drawn, allowed, counts, out
):
    """Write the unexpressed genes held out of each cell to `out` [B, M], their number to `counts`.

    Of the first `allowed` [B] of the genes `drawn` [B, M] those that the cell does not express
    and whose score reaches the `threshold` [B], each once.
    """
    seen = np.full(noise.shape[1], -1, np.int64)
    for row in range(drawn.shape[0]):
        for at in range(starts[row], starts[row + 1]):
            seen[genes[at]] = row
        found = 0
        for i in range(min(allowed[row], drawn.shape[1])):
            gene = drawn[row, i]
            if seen[gene] == row:
                continue
            seen[gene] = row
            score = _score(row, gene, noise, block_scores, by_block, blocks)
            if score >= threshold[row]:
                out[row, found] = gene
                found += 1
        counts[row] = found
