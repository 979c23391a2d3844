"""Search among guesses, which cost nothing, for the sets that are worth an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpjepa.planning.greedy import exchanges, extensions, in_order_of_guess
from gpjepa.planning.objective import Ledger
from gpjepa.planning.sets import NONE, canonical, keys

STEPS = 10  # exchanges of a climb, at most
KEPT = 200  # sets of a step of a climb that are remembered


@dataclass(frozen=True)
class GuessSearch:
    """A beam search over guesses, and climbs by exchanging members where there are too many sets.

    The beam takes of every size the best sets with one more member each and looks at about
    `looked_at` sets a size. Its members come from the `pool` best ones alone; where there are more
    candidates, all of them are tried with the best sets not `widened` before, and `climbs` sets
    are bettered by exchanging one member at a time for one of the `reach` best ones.
    """

    looked_at: int = 20_000
    pool: int = 300
    climbs: int = 16
    reach: int = 2000

    def __call__(
        self, ledger: Ledger, drawn: np.ndarray, widened: set[tuple[int, ...]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return sets that were not scored yet [N, max_size] and their guesses [N], best first.

        Climbs begin at sets `drawn` [P, max_size]; those widened are added to `widened`. Empty
        where nothing can be guessed.
        """
        space = ledger.space
        members = _by_guess(ledger)
        if members is None:
            return drawn[:0], np.zeros(0)
        found = self._beam(ledger, np.sort(members[: self.pool]), widened)
        if len(members) > self.pool and len(drawn):
            near = np.sort(members[: self.reach])
            starts = drawn[:: -(-len(drawn) // self.climbs)]
            found += [part for start in starts for part in climb(ledger, start, near)]
        sets = canonical(np.concatenate(found))
        sets = sets[space.allows(sets) & ~ledger.known(sets)]
        return in_order(ledger, sets)

    def _beam(
        self, ledger: Ledger, pool: np.ndarray, widened: set[tuple[int, ...]]
    ) -> list[np.ndarray]:
        """Return the sets that were looked at, the best first among those of a size."""
        space = ledger.space
        kept = space.complete(np.zeros((1, 0), dtype=np.int64))
        found = [kept[:0]]
        for _ in range(len(space.required), space.max_size):
            grown = extensions(space, kept, pool)
            if len(pool) < len(space.optional):
                fresh = [at for at, key in enumerate(keys(kept)) if key not in widened]
                wide = kept[fresh[: max(1, self.looked_at // len(space.optional))]]
                widened.update(keys(wide))
                grown = canonical(np.concatenate((grown, extensions(space, wide))))
            grown, _ = in_order(ledger, grown)
            found.append(grown)
            kept = grown[: max(1, self.looked_at // max(1, len(pool)))]
        return found


def climb(ledger: Ledger, start: np.ndarray, pool: np.ndarray) -> list[np.ndarray]:
    """Exchange one member of a set [K] at a time for the one that makes the best guess.

    Returns the best sets of every step.
    """
    space, found, before = ledger.space, [], np.inf
    for _ in range(STEPS):
        kept = [member for member in start.tolist() if member >= 0]
        out = [member for member in kept if member not in space.required]
        rows = np.full((len(out), space.max_size), NONE, dtype=np.int64)
        for row, member in zip(rows, out, strict=True):
            row[: len(kept) - 1] = [each for each in kept if each != member]
        near, guess = in_order(ledger, extensions(space, rows, pool))
        if not len(near) or not guess[0] < before:
            break
        found.append(near[:KEPT])
        start, before = near[0], float(guess[0])
    return found


def in_order(ledger: Ledger, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sets and guesses, best first; those that cannot be guessed are left out."""
    guess = ledger.guess(sets) if len(sets) else None
    if guess is None:
        return sets[:0], np.zeros(0)
    order = np.argsort(guess, kind="stable")  # NaN last
    order = order[np.isfinite(guess[order])]
    return sets[order], guess[order]


def neighbours(ledger: Ledger) -> np.ndarray:
    """Return the sets not scored yet that are one member from the best one, best guesses first."""
    near = exchanges(ledger.space, ledger.best.members)
    return in_order_of_guess(ledger, near[~ledger.known(near)])


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


def _by_guess(ledger: Ledger) -> np.ndarray | None:
    """Return the optional members, best guesses first; None where nothing can be guessed."""
    space = ledger.space
    guess = ledger.guess(space.singles()[space.optional])
    if guess is None:
        return None
    return space.optional[np.argsort(guess, kind="stable")]
