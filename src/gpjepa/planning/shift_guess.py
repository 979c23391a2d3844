"""Latent shifts of sets that were never scored, expected from those that were."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from gpjepa.planning.sets import sizes

PRIOR = 1.0  # sets' worth of evidence that pulls each coefficient
LEARNED_FROM = 4000  # latest sets of a size that its coefficients come from


class ShiftGuess:
    """Σ first-order shifts, plus pair shifts, plus what sets of a size do beyond both.

    Pair shifts are those seen, else a linear map of the members' summed shift, by ridge regression
    on those seen. Sets of three and more get a second such map, of their summed first-order and
    pair shifts. Before anything is seen both maps are 0. Shifts are [D], of M candidates.
    """

    def __init__(self, candidates: int, latent: int) -> None:
        self.first = np.full((candidates, latent), np.nan)
        self._codes = np.zeros(0, dtype=np.int64)
        self._shifts = np.zeros((0, latent))
        self._residuals = np.zeros((0, latent))
        self._seen: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._maps: dict[int, np.ndarray] = {}
        self._stale: set[int] = set()

    def learn(self, sets: np.ndarray, shifts: np.ndarray) -> None:
        """Take in distinct sets [N, K] and their shifts [N, D] from the control state.

        Sets with a member whose own shift is not known yet teach nothing.
        """
        size = sizes(sets)
        alone = size == 1
        self.first[sets[alone, 0]] = shifts[alone]
        beyond = shifts - self._sum(sets)
        usable = np.isfinite(beyond).all(axis=1)
        for count in map(int, np.unique(size[usable & ~alone])):
            rows = usable & (size == count)
            self._seen.setdefault(count, []).append((sets[rows], beyond[rows]))
            self._stale.add(count)
            if count == 2:
                self._stale.update(self._seen)
                self._remember(sets[rows], beyond[rows])

    def __call__(self, sets: np.ndarray) -> np.ndarray:
        """Return the expected shifts [N, D] of sets [N, K]; NaN with a member never scored."""
        total, size = self._sum(sets), sizes(sets)
        if len(size) and size[0] > 1 and (size == size[0]).all():
            return total + self._beyond(sets[:, : size[0]], total)
        found = total.copy()
        for count in map(int, np.unique(size)):
            if count > 1:
                rows = size == count
                found[rows] += self._beyond(sets[rows][:, :count], total[rows])
        return found

    def _sum(self, sets: np.ndarray) -> np.ndarray:
        """Return the summed first-order shifts [N, D]."""
        total = np.zeros((len(sets), self.first.shape[1]))
        for column in sets.T:
            there = column >= 0
            if there.all():
                total += self.first.take(column, axis=0)
            else:
                total[there] += self.first.take(column[there], axis=0)
        return total

    def _beyond(self, sets: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Return what sets of one size, none padded, do beyond their sum [N, D]."""
        pairs = self._pairs(sets, total)
        weights = None if sets.shape[1] == 2 else self._map(sets.shape[1])
        return pairs if weights is None else pairs + _features(total, pairs) @ weights

    def _pairs(self, sets: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Return the summed pair shifts of sets of one size, none padded [N, D]."""
        size, weights = sets.shape[1], self._map(2)
        found = np.zeros_like(total)
        if weights is not None:  # a linear map: of all pairs at once
            found = (size - 1) * total @ weights[:-1] + comb(size, 2) * weights[-1]
        if not len(self._codes):
            return found
        for one, other in combinations(range(size), 2):
            codes = sets[:, one] * len(self.first) + sets[:, other]
            at = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
            seen = np.flatnonzero(self._codes[at] == codes)
            found[seen] += self._residuals[at[seen]]
        return found

    def _remember(self, pairs: np.ndarray, shifts: np.ndarray) -> None:
        codes = np.append(pairs[:, 0] * len(self.first) + pairs[:, 1], self._codes)
        self._codes, first = np.unique(codes, return_index=True)
        self._shifts = np.concatenate((shifts, self._shifts))[first]

    def _refresh(self) -> None:
        """Keep what the pairs seen do beyond the map of pairs."""
        pairs = np.stack(np.divmod(self._codes, len(self.first)), axis=1)
        self._residuals = self._shifts - _features(self._sum(pairs)) @ self._maps[2]

    def _map(self, size: int) -> np.ndarray | None:
        """Return the coefficients of a size, fitted anew where more was seen; None with none."""
        if size not in self._seen:
            return None
        if size in self._stale:
            self._stale.discard(size)
            sets, beyond = (np.concatenate(part) for part in zip(*self._seen[size], strict=True))
            self._seen[size] = [(sets, beyond)]
            sets, beyond = sets[-LEARNED_FROM:, :size], beyond[-LEARNED_FROM:]
            total = self._sum(sets)
            if size == 2:
                self._maps[size] = _ridge(_features(total), beyond)
                self._refresh()
            else:
                pairs = self._pairs(sets, total)
                self._maps[size] = _ridge(_features(total, pairs), beyond - pairs)
        return self._maps[size]


def _features(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate((*parts, np.ones((len(parts[0]), 1))), axis=1)


def _ridge(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the coefficients [F, D], each pulled to 0 by `PRIOR` sets of typical features."""
    scale = np.sqrt((features**2).mean(axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    scaled = features / scale
    gram = scaled.T @ scaled + PRIOR * np.eye(features.shape[1])
    return np.asarray(np.linalg.solve(gram, scaled.T @ targets) / scale[:, None])
