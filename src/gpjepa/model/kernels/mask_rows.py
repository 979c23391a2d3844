"""Which expressed and silent genes of a cell are held out, gene by gene and no further; numba.

Cells are rows in CSR form: `starts` [B + 1] and `genes` [N]. Single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

FLOAT = np.float32
BINS = 256
OPTIONS: Mapping[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def _selected(scores, place):
    """Return the score that is at `place` in ascending order; the scores change their order."""
    low, high = 0, scores.shape[0] - 1
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
def _bin(score):
    return min(int(score * FLOAT(BINS)), BINS - 1)


@njit(**OPTIONS)
def _threshold(scores, wanted, number, few):
    """Return the `wanted`-th greatest of the scores, which are 0 or more and rarely above 1.

    It is selected among those of its bin; `number` [BINS] and `few` are room for that.
    """
    number[:] = 0
    for i in range(scores.shape[0]):
        number[_bin(scores[i])] += 1
    at, left = BINS - 1, wanted
    while number[at] < left:
        left -= number[at]
        at -= 1
    found = 0
    for i in range(scores.shape[0]):
        few[found] = scores[i]
        found += _bin(scores[i]) == at
    return _selected(few[:found], found - left)


@njit(**OPTIONS)
def hold_out(
    starts, genes, noise, block_scores, by_block, blocks, wanted, first, last,
    held, threshold, sums,
):  # fmt: skip
    """Mark which counts [N] are held out; write each row's `threshold` and how many they are.

    The `wanted` [B] expressed genes of the highest scores; no cell is without counts.
    """
    width = noise.shape[1]
    number, few, room = np.empty(BINS, np.int32), np.empty(width, FLOAT), np.empty(width, FLOAT)
    for row in range(first, last):
        here, upto = starts[row], starts[row + 1]
        scores = room[: upto - here]
        for i in range(upto - here):
            scores[i] = _score(row, genes[here + i], noise, block_scores, by_block, blocks)
        threshold[row] = _threshold(scores, wanted[row], number, few)
        sums[row] = 0
        for i in range(upto - here):
            held[here + i] = scores[i] >= threshold[row]
            sums[row] += held[here + i]


@njit(**OPTIONS)
def _score(row, gene, noise, block_scores, by_block, blocks):
    if by_block[row]:
        return block_scores[row, blocks[gene]] + FLOAT(1e-3) * noise[row, gene]
    return noise[row, gene]


@njit(**OPTIONS)
def hold_out_silent(
    starts,
    genes,
    noise,
    block_scores,
    by_block,
    blocks,
    threshold,
    drawn,
    allowed,
    to_cell,
    to_gene,
):
    """Write the unexpressed genes held out, cell by cell, and the cell of each; return how many.

    Of the first `allowed` [B] of the genes `drawn` [B, M] those that the cell does not express
    and whose score reaches the `threshold` [B], each once.
    """
    seen = np.full(noise.shape[1], -1, np.int64)
    found = 0
    for row in range(drawn.shape[0]):
        for at in range(starts[row], starts[row + 1]):
            seen[genes[at]] = row
        for i in range(min(allowed[row], drawn.shape[1])):
            gene = drawn[row, i]
            if seen[gene] == row:
                continue
            seen[gene] = row
            score = _score(row, gene, noise, block_scores, by_block, blocks)
            if score >= threshold[row]:
                to_cell[found], to_gene[found] = row, gene
                found += 1
    return found
