"""Sets drawn from a space at random, distinct and within its constraints."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.planning.sets import NONE, canonical, ordered, sizes

if TYPE_CHECKING:
    from gpjepa.planning.space import Space

LISTED = 200_000  # sets up to which all are listed where most of them are wanted
ROUNDS = 30
EXTRA = 1.3  # draws for each set still wanted


def draw_sets(space: Space, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return `n` distinct sets [n, max_size], evenly drawn where rejection finds enough."""
    numbers = _numbers(space)
    if sum(numbers) <= LISTED and 4 * n >= sum(numbers):
        return _from_all(space, n, rng)
    found = np.zeros((0, space.max_size), dtype=np.int64)
    for _ in range(ROUNDS):
        wanted = n - len(found)
        if wanted <= 0:
            break
        each = rng.multinomial(int(EXTRA * wanted) + 8, np.array(numbers) / sum(numbers))
        parts = [_of_size(space, size, int(many), rng) for size, many in enumerate(each)]
        fresh = np.concatenate(parts)
        fresh = fresh[space.allows(fresh)]
        found = canonical(np.concatenate((found, rng.permutation(fresh))))
    if len(found) < n:
        if sum(numbers) <= LISTED:
            return _from_all(space, n, rng)
        found = canonical(np.concatenate((found, _filled(space, n - len(found), rng))))
    return found[:n]


def _numbers(space: Space) -> list[float]:
    """Return how many sets of each size 0, 1, … there are, were there no pairs and no cost."""
    fixed, free = len(space.required), len(space.optional)
    return [
        float(comb(free, size - fixed)) if size >= max(space.min_size, fixed) else 0.0
        for size in range(space.max_size + 1)
    ]


def _from_all(space: Space, n: int, rng: np.random.Generator) -> np.ndarray:
    every = np.concatenate(list(space.every()))
    return every[rng.permutation(len(every))[:n]]


def _of_size(space: Space, size: int, many: int, rng: np.random.Generator) -> np.ndarray:
    """Return draws of `size` members, fewer where one was drawn twice into a set."""
    if many == 0:
        return np.zeros((0, space.max_size), dtype=np.int64)
    chosen = rng.integers(0, len(space.optional), (many, size - len(space.required)))
    sets = space.complete(space.optional[chosen])
    return sets[sizes(sets) == size]


def _filled(space: Space, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return up to `n` sets filled member by member, among those that still fit."""
    rows = []
    for _ in range(n):
        row = np.full(space.max_size, NONE, dtype=np.int64)
        row[: len(space.required)] = space.required
        size = int(rng.integers(space.min_size, space.max_size + 1))
        for at in range(len(space.required), size):
            tried = np.tile(row, (len(space.optional), 1))
            tried[:, at] = space.optional
            fits = space.grows(tried) & (sizes(ordered(tried)) == at + 1)
            if not fits.any():
                break
            row[at] = rng.choice(space.optional[fits])
        rows.append(row)
    sets = canonical(np.array(rows).reshape(len(rows), space.max_size))
    return sets[space.allows(sets)]
