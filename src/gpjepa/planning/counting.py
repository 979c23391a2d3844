"""How many sets keep to forbidden pairs and a cost limit, counted exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np


def count_sets(
    free: Sequence[int],
    size: int,
    rivals: Mapping[int, frozenset[int]],
    costs: np.ndarray,
    limit: float,
) -> int:
    """Return the number of sets of `size` of the candidates `free` that fit.

    `rivals` maps those of forbidden pairs to whom they are apart from, `costs` [M] are not
    negative and no set's total exceeds `limit`. Members with rivals are tried one by one, the
    others are counted together.
    """
    bound = [member for member in free if member in rivals]
    loose = np.sort(costs[[member for member in free if member not in rivals]])

    def choose(left: list[int], wanted: int, room: float) -> int:
        total = count_within(loose, wanted, room)
        if wanted == 0:
            return total
        for at, member in enumerate(left):
            rest = room - float(costs[member])
            if rest >= 0:
                clear = [each for each in left[at + 1 :] if each not in rivals[member]]
                total += choose(clear, wanted - 1, rest)
        return total

    return choose(bound, size, limit)


def count_within(costs: np.ndarray, size: int, limit: float) -> int:
    """Return the number of subsets of `size` with a total of at most `limit`.

    `costs` are ascending and not negative. Candidates of equal cost are counted together.
    """
    if size > len(costs) or limit < 0:
        return 0
    if size == 0:
        return 1
    if costs[len(costs) - size :].sum() <= limit:
        return comb(len(costs), size)
    if size == 1:
        return int(np.searchsorted(costs, limit, side="right"))
    if size == 2:
        return _pairs_within(costs, limit)
    values, numbers = np.unique(costs, return_counts=True)
    return _by_value(values, numbers, costs, size, limit)


def _pairs_within(costs: np.ndarray, limit: float) -> int:
    """Return the number of pairs with a total of at most `limit`."""
    partners = np.searchsorted(costs, limit - costs, side="right")
    after = partners - np.arange(1, len(costs) + 1)
    return int(np.maximum(after, 0).sum())


def _by_value(
    values: np.ndarray, numbers: np.ndarray, costs: np.ndarray, size: int, limit: float
) -> int:
    """Count by how many members have the cheapest cost, then the next, and so on."""
    total, begin = 0, 0
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        if size * value > limit:
            break
        rest = costs[begin + number :]
        for taken in range(1, min(size, number) + 1):
            total += comb(number, taken) * count_within(rest, size - taken, limit - taken * value)
        begin += number
    return total
