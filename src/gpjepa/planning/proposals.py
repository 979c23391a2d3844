"""Draws of sets: a probability for every candidate, and for every size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.planning.races import first_of_races
from gpjepa.planning.sets import NONE, ordered, sizes
from gpjepa.planning.space import Space

CHUNK = 4_000_000  # random numbers at a time
SPARE = 4  # members tried for each that a constraint may refuse


@dataclass(frozen=True, eq=False)
class Proposal:
    """Probabilities of the optional candidates [F] and of the sizes min_size to max_size [L]."""

    space: Space
    member: np.ndarray
    size: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return `n` sets [n, max_size] or fewer, all of the space, repetitions among them.

        Members are drawn without replacement in proportion to their probability: those with the
        largest log-probability plus Gumbel noise (Kool et al. 2019), which are those with the
        smallest exponential noise over probability. A member that a forbidden pair or the cost
        rules out is passed over for the next.
        """
        space = self.space
        wanted = space.min_size + rng.choice(len(self.size), n, p=self.size)
        free = np.maximum(wanted - len(space.required), 0)
        bound = bool(space.apart) or np.isfinite(space.limit)
        most = min(len(space.optional), int(free.max(initial=0)) * (SPARE if bound else 1))
        step = max(1, CHUNK // max(1, len(space.optional)))
        parts = [
            self._ranked(len(free[start : start + step]), most, rng) for start in range(0, n, step)
        ]
        ranked = np.concatenate(parts) if parts else np.zeros((0, most), dtype=np.int64)
        sets = self._fill(ranked, free) if bound else self._take(ranked, free)
        return sets[space.allows(sets)]

    def _ranked(self, n: int, most: int, rng: np.random.Generator) -> np.ndarray:
        """Return for each draw the `most` members that come first [n, most]."""
        if most == 0:
            return np.zeros((n, 0), dtype=np.int64)
        race = rng.standard_exponential((n, len(self.member)), dtype=np.float32)
        return self.space.optional[first_of_races(race, self.member.astype(np.float32), most)]

    def _take(self, ranked: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Return sets of the first `free` [n] members of each draw and the required ones."""
        at = np.arange(ranked.shape[1])
        return self.space.complete(np.where(at < free[:, None], ranked, NONE))

    def _fill(self, ranked: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Return sets filled with the first members of each draw that fit together."""
        sets = self.space.complete(np.zeros((len(ranked), 0), dtype=np.int64))
        goal = free + len(self.space.required)
        for member in ranked.T:
            tried = sets.copy()
            full = sizes(sets) >= np.minimum(goal, self.space.max_size)
            tried[:, -1] = np.where(full, sets[:, -1], member)
            tried = ordered(tried)
            sets = np.where((self.space.grows(tried) & ~full)[:, None], tried, sets)
        return sets

    def moved(self, elites: np.ndarray, smoothing: float, least: float) -> Proposal:
        """Return the proposal drawn towards elites [E, max_size].

        `smoothing` is the weight of the old probabilities; no member's falls below `least` times
        an even one.
        """
        counts = np.bincount(elites[elites >= 0], minlength=self.space.candidates)
        member = _mixed(self.member, counts[self.space.optional], smoothing, least)
        length = np.bincount(sizes(elites) - self.space.min_size, minlength=len(self.size))
        return Proposal(self.space, member, _mixed(self.size, length, smoothing, least))


def even(space: Space) -> Proposal:
    """Return the proposal that favours no member and no size."""
    members, lengths = len(space.optional), space.max_size - space.min_size + 1
    member = np.full(members, 1.0 / max(members, 1))
    return Proposal(space, member, np.full(lengths, 1.0 / lengths))


def warmed(space: Space, energy: np.ndarray, share: float) -> Proposal:
    """Return the proposal that favours members of low energy [M] on their own.

    The best of them is as probable as `share` of all evenly; those not finite are least probable.
    """
    own = np.asarray(energy)[space.optional]
    rank = np.argsort(np.argsort(np.where(np.isfinite(own), own, np.inf), kind="stable"))
    weight = np.exp(-rank / max(1.0, share * len(own))) + 1.0 / max(len(own), 1)
    base = even(space)
    return Proposal(space, weight / weight.sum(), base.size)


def _mixed(old: np.ndarray, counts: np.ndarray, smoothing: float, least: float) -> np.ndarray:
    total = counts.sum()
    new = counts / total if total else old
    mixed = smoothing * old + (1 - smoothing) * new
    mixed = np.maximum(mixed, least / max(len(mixed), 1))
    return np.asarray(mixed / mixed.sum())
