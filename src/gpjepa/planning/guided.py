"""Search among guesses, which cost nothing, for the sets that are worth an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.planning.greedy import exchanges, extensions
from gpjepa.planning.objective import Ledger
from gpjepa.planning.sets import canonical


@dataclass(frozen=True)
class GuessSearch:
    """A beam search over guesses: of every size, the best sets with one more member each.

    About `looked_at` sets are guessed for each size. Members come from the `pool` best ones alone,
    and from all candidates for the very best sets.
    """

    looked_at: int = 20_000
    pool: int = 300

    def __call__(self, ledger: Ledger, favoured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return sets that were not scored yet [N, max_size] and their guesses [N], best first.

        `favoured` members [P] are in the pool too. Empty where nothing can be guessed.
        """
        space = ledger.space
        pool = self._pool(ledger, favoured)
        kept = space.complete(np.zeros((1, 0), dtype=np.int64))
        found, guesses = [kept[:0]], [np.zeros(0)]
        for _ in range(len(space.required), space.max_size):
            grown = self._grown(ledger, kept, pool)
            guess = ledger.guess(grown) if len(grown) else None
            if guess is None:
                break
            order = np.argsort(guess, kind="stable")  # NaN last
            order = order[np.isfinite(guess[order])]
            grown, guess = grown[order], guess[order]
            found.append(grown)
            guesses.append(guess)
            kept = grown[: max(1, self.looked_at // len(pool))]
        sets, guess = np.concatenate(found), np.concatenate(guesses)
        fresh = space.allows(sets) & ~ledger.known(sets)
        order = np.argsort(guess[fresh], kind="stable")
        return sets[fresh][order], guess[fresh][order]

    def _pool(self, ledger: Ledger, favoured: np.ndarray) -> np.ndarray:
        space = ledger.space
        if len(space.optional) <= self.pool:
            return space.optional
        guess = ledger.guess(space.singles()[space.optional])
        if guess is None:
            return favoured
        best = space.optional[np.argsort(guess, kind="stable")[: self.pool]]
        return np.setdiff1d(np.union1d(best, favoured), space.required)

    def _grown(self, ledger: Ledger, kept: np.ndarray, pool: np.ndarray) -> np.ndarray:
        """Return the sets that a member of the pool makes, and any member of the very best."""
        space = ledger.space
        if len(pool) == len(space.optional):
            return extensions(space, kept)
        wide = extensions(space, kept[: max(1, self.looked_at // len(space.optional))])
        return canonical(np.concatenate((wide, extensions(space, kept, pool))))


def neighbours(ledger: Ledger) -> np.ndarray:
    """Return the sets not scored yet that are one member from the best one, best guesses first."""
    near = exchanges(ledger.space, ledger.best.members)
    near = near[~ledger.known(near)]
    guess = ledger.guess(near) if len(near) else None
    if guess is None:
        return near
    return near[np.argsort(np.where(np.isnan(guess), np.inf, guess), kind="stable")]


def first_order(ledger: Ledger) -> np.ndarray | None:
    """Score candidates on their own where that takes at most half of what is left.

    Returns their energies [M], inf where one is not finite; None where it would take more.
    Required members are scored with the others: their shifts are part of every sum.
    """
    singles = ledger.space.singles()
    owed = int((~ledger.known(singles)).sum())
    if 2 * owed > ledger.left:
        return None
    return ledger.probe(singles, "singles").energy
