"""Sets of candidates as rows of indices, in one form: ascending, -1 at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

NONE = -1


def ordered(sets: np.ndarray) -> np.ndarray:
    """Return sets [N, K] with rows ascending, members once each and -1 at the end."""
    sets = np.atleast_2d(np.asarray(sets, dtype=np.int64))
    last = np.iinfo(np.int64).max
    rows = np.sort(np.where(sets < 0, last, sets), axis=1)
    again = rows[:, 1:] == rows[:, :-1]
    if (again & (rows[:, 1:] < last)).any():
        rows[:, 1:][again] = last
        rows.sort(axis=1)
    return np.where(rows == last, NONE, rows)


def canonical(sets: np.ndarray) -> np.ndarray:
    """Return the distinct sets among [N, K], in the order of their first occurrence."""
    rows = ordered(sets)
    if not len(rows) or not rows.shape[1]:
        return rows[:1]
    _, first = np.unique(marks(rows), return_index=True)
    return rows[np.sort(first)]


def marks(sets: np.ndarray) -> np.ndarray:
    """Return one value per ordered row [N] that is equal where sets are; for dictionaries.

    Integers where they fit into 63 bits, else bytes.
    """
    base, width = int(sets.max(initial=0)) + 2, sets.shape[1]
    return marks_of(sets, base) if base**width < 2**63 else as_bytes(sets)


def marks_of(sets: np.ndarray, base: int) -> np.ndarray:
    """Return the rows [N, K] as numbers of K digits; `base` above the largest index + 1."""
    found = np.zeros(len(sets), dtype=np.int64)
    for column in sets.T:
        found = found * base + (column + 1)
    return found


def as_bytes(sets: np.ndarray) -> np.ndarray:
    """Return the rows [N, K] as bytes [N]."""
    rows = np.ascontiguousarray(sets, dtype=">i8")
    return rows.view(f"S{8 * sets.shape[1]}").reshape(len(sets))


def sizes(sets: np.ndarray) -> np.ndarray:
    """Return how many members each set has [N]."""
    found: np.ndarray = (sets >= 0).sum(axis=1)
    return found


def pair_keys(sets: np.ndarray, candidates: int) -> np.ndarray:
    """Return one number for each pair of members of each set [S, Q], −1 where there is none."""
    first, second = np.triu_indices(sets.shape[1], 1)
    one, other = sets[:, first], sets[:, second]
    return np.where((one >= 0) & (other >= 0), one * candidates + other, NONE)


def keys(sets: np.ndarray) -> list[tuple[int, ...]]:
    """Return each set of [N, K] as the tuple of its members."""
    return [tuple(member for member in row if member >= 0) for row in sets.tolist()]


def padded(sets: Iterable[Sequence[int]], width: int) -> np.ndarray:
    """Return sets [N, width] from the members of each; raise `ValueError` for one too large."""
    rows = [sorted(set(each)) for each in sets]
    found = np.full((len(rows), width), NONE, dtype=np.int64)
    for at, row in enumerate(rows):
        if len(row) > width:
            raise ValueError(f"a set has {len(row)} members; expected at most {width}")
        found[at, : len(row)] = row
    return found
