"""Sets built member by member: the best one each time, or the best few of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.planning.objective import Ledger
from gpjepa.planning.sets import NONE, canonical, sizes
from gpjepa.planning.space import Space


@dataclass(frozen=True)
class Beam:
    """Keeps the best `width` sets of each size and scores all that one more member makes of them.

    Where the budget does not reach that far, those with the best guesses are scored, or some at
    random where nothing can be guessed. Sets on the way that the space does not allow, without a
    required partner for example, cost an evaluation and are no answers.
    """

    width: int = 16
    chunk: int = 1024

    def __call__(self, ledger: Ledger, seed: int) -> None:
        """Grow sets from the required members until they are as large as they may be."""
        space, rng = ledger.space, numpy_stream(seed, "planning", "beam")
        kept = space.complete(np.zeros((1, 0), dtype=np.int64))
        if space.allows(kept).all():
            ledger.score(kept, "grow", len(space.required))
        for size in range(len(space.required) + 1, space.max_size + 1):
            grown = extensions(space, kept)
            if not len(grown) or not ledger.left:
                return
            grown = grown[rng.permutation(len(grown))]
            grown = in_order_of_guess(ledger, grown)[: ledger.left + self.width]
            energy = np.concatenate(
                [
                    ledger.probe(grown[start : start + self.chunk], "grow", size).energy
                    for start in range(0, len(grown), self.chunk)
                ]
            )
            best = np.argsort(energy, kind="stable")[: self.width]
            kept = grown[best[np.isfinite(energy[best])]]


@dataclass(frozen=True)
class Greedy:
    """Adds the best member each time."""

    chunk: int = 1024

    def __call__(self, ledger: Ledger, seed: int) -> None:
        """Grow one set from the required members until it is as large as it may be."""
        Beam(1, self.chunk)(ledger, seed)


def extensions(space: Space, sets: np.ndarray, members: np.ndarray | None = None) -> np.ndarray:
    """Return the distinct sets [N, max_size] that one more member makes of `sets` [B, max_size].

    Those that break a constraint, or that no more members could bring into the space, are out.
    Without `members` [P] any candidate may be added.
    """
    pool = space.optional if members is None else members
    size = sizes(sets)
    sets, size = sets[size < space.max_size], size[size < space.max_size]
    found = np.repeat(sets, len(pool), axis=0)
    added = np.tile(pool, len(sets))
    fresh = ~(found == added[:, None]).any(axis=1)
    found[np.arange(len(found)), np.repeat(size, len(pool))] = added
    found = canonical(found[fresh])
    return found[space.grows(found)]


def exchanges(space: Space, members: np.ndarray) -> np.ndarray:
    """Return the sets of the space that differ from one set [max_size] by one member.

    One is added, dropped or exchanged for another.
    """
    kept = members[members >= 0]
    dropped = [kept[kept != member] for member in kept if member not in space.required]
    rows = np.full((len(dropped) + 1, space.max_size), NONE, dtype=np.int64)
    for row, part in zip(rows, [kept, *dropped], strict=True):
        row[: len(part)] = part
    near = canonical(np.concatenate((rows, extensions(space, rows))))
    return near[space.allows(near)]


def in_order_of_guess(ledger: Ledger, sets: np.ndarray) -> np.ndarray:
    """Return sets with the best guesses first; those that cannot be guessed last, as they come."""
    guess = ledger.guess(sets) if len(sets) else None
    if guess is None:
        return sets
    return sets[np.argsort(np.where(np.isnan(guess), np.inf, guess), kind="stable")]
