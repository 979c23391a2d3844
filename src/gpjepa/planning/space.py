"""The sets that a plan may choose: their sizes, and what must, may not or costs too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, islice
from math import comb

import numpy as np

from gpjepa.planning.contradictions import refuse_contradictions
from gpjepa.planning.counting import count_sets
from gpjepa.planning.drawing import draw_sets
from gpjepa.planning.sets import NONE, canonical, keys, ordered, sizes

SLACK = 1e-9  # of a total cost, for sums in another order


@dataclass(frozen=True, eq=False)
class Space:
    """Sets of `min_size` to `max_size` of the candidates `names`.

    `required` are members of every set, `apart` pairs (low, high) that no set holds both of,
    `cost` [M] of each candidate, not negative, with `most_cost` a set's largest total. Raises
    `ConfigError`, naming them, for constraints that contradict each other or leave nothing.
    """

    names: tuple[str, ...]
    max_size: int
    min_size: int = 1
    required: tuple[int, ...] = ()
    apart: frozenset[tuple[int, int]] = frozenset()
    cost: np.ndarray | None = None
    most_cost: float = float("inf")

    def __post_init__(self) -> None:
        refuse_contradictions(self)

    @property
    def candidates(self) -> int:
        """Return the number of candidates, M."""
        return len(self.names)

    @cached_property
    def costs(self) -> np.ndarray:
        """Return what each candidate costs [M], 0 where nothing costs."""
        if self.cost is None:
            return np.zeros(self.candidates)
        return np.asarray(self.cost, dtype=np.float64)

    @cached_property
    def optional(self) -> np.ndarray:
        """Return the candidates that are not required, ascending."""
        return np.setdiff1d(np.arange(self.candidates), np.asarray(self.required, dtype=np.int64))

    @cached_property
    def limit(self) -> float:
        """Return the largest total cost, with room for rounding."""
        return self.most_cost * (1 + SLACK) + SLACK if np.isfinite(self.most_cost) else np.inf

    @cached_property
    def rivals(self) -> dict[int, np.ndarray]:
        """Map each candidate of a forbidden pair to those it is apart from."""
        found: dict[int, set[int]] = {}
        for one, other in self.apart:
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
        return {member: np.array(sorted(each)) for member, each in found.items()}

    def label(self, members: tuple[int, ...]) -> str:
        """Return the names of a set's members joined by +, sorted."""
        return "+".join(sorted(self.names[member] for member in members))

    def allows(self, sets: np.ndarray) -> np.ndarray:
        """Tell of each set [N, K] whether it is in the space, bool [N]."""
        sets = ordered(sets)
        there = self.grows(sets) & (sizes(sets) >= self.min_size)
        for member in self.required:
            there &= (sets == member).any(axis=1)
        return there

    def grows(self, sets: np.ndarray) -> np.ndarray:
        """Tell whether each set [N, K] breaks nothing that further members could not mend."""
        sets = ordered(sets)
        size = sizes(sets)
        there = (size >= 1) & (sets.max(axis=1, initial=NONE) < self.candidates)
        missing, owed = np.zeros(len(sets), dtype=np.int64), np.zeros(len(sets))
        for member in self.required:
            absent = ~(sets == member).any(axis=1)
            missing += absent
            owed += absent * self.costs[member]
        there &= size + missing <= self.max_size
        if np.isfinite(self.limit):
            there &= self.totals(sets) + owed <= self.limit
        return there & ~self._clash(sets)

    def totals(self, sets: np.ndarray) -> np.ndarray:
        """Return the cost of each set [N]."""
        shown = np.clip(sets, 0, self.candidates - 1)
        found: np.ndarray = (self.costs[shown] * (sets >= 0)).sum(axis=1)
        return found

    def _clash(self, sets: np.ndarray) -> np.ndarray:
        """Tell which sets hold both of a forbidden pair, their required members counted in."""
        clash = np.zeros(len(sets), dtype=bool)
        if not self.apart:
            return clash
        for member in self.required:
            clash |= np.isin(sets, self.rivals.get(member, [])).any(axis=1)
        for at in range(sets.shape[1]):
            for other in range(at + 1, sets.shape[1]):
                pair = sets[:, at] * self.candidates + sets[:, other]
                clash |= (sets[:, other] >= 0) & np.isin(pair, self._pairs)
        return clash

    @cached_property
    def _pairs(self) -> np.ndarray:
        """Return the forbidden pairs as single numbers."""
        pairs = [min(pair) * self.candidates + max(pair) for pair in self.apart]
        return np.array(sorted(pairs), dtype=np.int64)

    def count(self) -> int:
        """Return how many sets there are, exactly."""
        return sum(self.count_of(size) for size in range(self.min_size, self.max_size + 1))

    def count_of(self, size: int) -> int:
        """Return how many sets of a size there are."""
        chosen = size - len(self.required)
        if chosen < 0:
            return 0
        taken = set(chain.from_iterable(self.rivals.get(m, []) for m in self.required))
        free = [int(each) for each in self.optional if each not in taken]
        rivals = {m: frozenset(map(int, self.rivals[m])) for m in free if m in self.rivals}
        left = self.limit - float(self.costs[list(self.required)].sum())
        return count_sets(free, chosen, rivals, self.costs, left)

    def every(self, chunk: int = 65_536) -> Iterator[np.ndarray]:
        """Yield all sets, smallest first and in order, at most `chunk` [N, max_size] at a time."""
        for size in range(max(self.min_size, len(self.required)), self.max_size + 1):
            chosen = size - len(self.required)
            choices = combinations(self.optional.tolist(), chosen)
            for _ in range(-(-comb(len(self.optional), chosen) // chunk)):
                part = list(islice(choices, chunk))
                rows = np.array(part, dtype=np.int64).reshape(len(part), chosen)
                sets = self.complete(rows)
                sets = sets[self.allows(sets)]
                if len(sets):
                    yield sets

    def complete(self, chosen: np.ndarray) -> np.ndarray:
        """Return sets [N, max_size] of the members at `chosen` [N, K] and the required ones."""
        rows = np.full((len(chosen), 2 * self.max_size), NONE, dtype=np.int64)
        rows[:, : chosen.shape[1]] = chosen
        rows[:, self.max_size :][:, : len(self.required)] = self.required
        return ordered(rows)[:, : self.max_size]

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return `n` distinct sets [n, max_size] drawn evenly, or all where there are fewer.

        Where hardly a draw keeps to the constraints, sets are filled member by member, which
        favours small ones.
        """
        return draw_sets(self, n, rng)

    def singles(self) -> np.ndarray:
        """Return every candidate on its own [M, max_size], in the space or not."""
        found = np.full((self.candidates, self.max_size), NONE, dtype=np.int64)
        found[:, 0] = np.arange(self.candidates)
        return found

    def labels(self, sets: np.ndarray) -> list[str]:
        """Return the label of each set."""
        return [self.label(key) for key in keys(sets)]

    def inside(self, sets: np.ndarray) -> np.ndarray:
        """Return the distinct sets of [N, K] that are in the space."""
        sets = canonical(sets)
        return sets[self.allows(sets)]
