"""Partners that help only together, which no sum shows: candidates screened beside strong ones."""

from __future__ import annotations

import numpy as np

from gpjepa.planning.greedy import extensions
from gpjepa.planning.objective import Ledger
from gpjepa.planning.sets import NONE, canonical, ordered, sizes
from gpjepa.planning.space import Space

STRONG = 3000  # best candidates alone, of which those that do best beside others are chosen
COMPANY = 48  # random companies that they are seen in
FOLLOWED, GROWN = 100, 3  # surprises of a group, and pairs in all, that are followed
CHUNK = 4096  # sets scored at once


def screen_partners(
    ledger: Ledger, alone: np.ndarray, partners: int, owed: int, rng: np.random.Generator
) -> None:
    """Score every candidate beside the `partners` strongest ones, and follow what surprises.

    A set that is as large as may be holds several strong candidates and one other, so that all
    their pairs are seen in one evaluation. Where the energy is furthest below the guess the pairs
    are scored one by one, and those that surprise most with each of the candidates that are best
    alone. At most `owed` evaluations; `alone` [M] are the energies of single candidates.
    """
    strong = strongest(ledger, alone, partners, rng)
    end = ledger.left - owed
    pairs = ledger.space.singles()[:0]
    surprise = np.zeros(0)
    for number, group in enumerate(groups(ledger.space, strong)):
        sets, gain = _surprises(ledger, beside(ledger.space, group), number, end)
        if len(group) > 1:
            first = sets[np.argsort(-gain, kind="stable")[:FOLLOWED]]
            sets, gain = _surprises(ledger, _pairs_of(ledger.space, first, group), number, end)
        pairs, surprise = np.concatenate((pairs, sets)), np.concatenate((surprise, gain))
    kept = pairs[np.argsort(-surprise, kind="stable")[:GROWN]]
    best = np.argsort(alone, kind="stable")[:STRONG]
    _surprises(ledger, extensions(ledger.space, kept, best), partners, end)


def evaluations(space: Space, partners: int) -> int:
    """Return about how many evaluations that takes, at most."""
    room = space.max_size - len(space.required) - 1
    if partners < 1 or room < 1:
        return 0
    grown = min(STRONG, space.candidates) * GROWN if room > 1 else 0
    return -(-partners // room) * (space.candidates + FOLLOWED * room) + grown


def strongest(
    ledger: Ledger, alone: np.ndarray, partners: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the candidates with the best mean guess in sets filled up with random others.

    One member of a set need not come near the goal alone; beside others its distance is told
    without their share. By their energy alone where nothing can be guessed.
    """
    space = ledger.space
    order = np.argsort(alone, kind="stable")
    order = order[np.isfinite(alone[order])][:STRONG]
    total = np.zeros(len(order))
    for _ in range(COMPANY):
        others = rng.choice(space.candidates, space.max_size - 1)
        sets = np.column_stack((order, np.tile(others, (len(order), 1))))
        guess = ledger.guess(sets)
        if guess is None or not np.isfinite(guess).any():
            return order[:partners]
        total += np.where(np.isfinite(guess), guess, np.nanmean(guess))
    return order[np.argsort(total, kind="stable")[:partners]]


def groups(space: Space, strong: np.ndarray) -> list[list[int]]:
    """Return the strong candidates in groups that leave room for one more in a set."""
    room = space.max_size - len(space.required) - 1
    found: list[list[int]] = []
    for each in strong.tolist():
        if room < 1 or each in space.required:
            continue
        for group in found:
            if len(group) < room and space.grows(np.array([[*group, each]])).all():
                group.append(each)
                break
        else:
            found.append([each])
    return found


def beside(space: Space, group: list[int]) -> np.ndarray:
    """Return the sets of a group and one other candidate each, in the order of the others."""
    sets = np.full((1, space.max_size), NONE, dtype=np.int64)
    sets[0, : len(group)] = group
    return extensions(space, ordered(sets))


def _pairs_of(space: Space, sets: np.ndarray, group: list[int]) -> np.ndarray:
    """Return the pairs of a member of the group and the other member of each set."""
    other = sets[(sets >= 0) & ~np.isin(sets, group)]
    pairs = np.full((len(group) * len(other), space.max_size), NONE, dtype=np.int64)
    pairs[:, 0], pairs[:, 1] = np.repeat(group, len(other)), np.tile(other, len(group))
    pairs = canonical(pairs)
    return pairs[space.grows(pairs) & (sizes(pairs) == 2)]


def _surprises(
    ledger: Ledger, sets: np.ndarray, number: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Score sets that were not, down to `end` evaluations; return them and guess − energy."""
    sets = sets[~ledger.known(sets)][: max(0, ledger.left - end)]
    guess, energy = [np.zeros(0)], [np.zeros(0)]
    for at in range(0, len(sets), CHUNK):
        part = sets[at : at + CHUNK]
        told = ledger.guess(part)
        guess.append(np.zeros(len(part)) if told is None else told)
        energy.append(ledger.probe(part, "partners", number).energy)
    gain = np.concatenate(guess) - np.concatenate(energy)
    return sets, np.where(np.isfinite(gain), gain, -np.inf)
