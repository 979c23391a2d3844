"""Why a matrix is not counts, found a run of cells at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LARGEST = 2**24  # beyond it float32 skips integers

Chunks = Iterable[tuple[int, sparse.csr_matrix]]


@dataclass(frozen=True)
class Fault:
    """Why a matrix is not counts: what was found, and whether another matrix may stand in."""

    found: str
    fatal: bool  # counts with a damaged entry, not values on another scale


class NotCountsError(Exception):
    """A chunk of a matrix holds values that are no counts."""


def type_fault(dtype: np.dtype[Any]) -> Fault | None:
    """Return why values of a type cannot be counts, or None if they can."""
    if np.issubdtype(dtype, np.number) or np.issubdtype(dtype, np.bool_):
        return None
    return Fault(f"holds values of type {dtype}", fatal=True)


def counts_only(chunks: Chunks) -> Iterator[sparse.csr_matrix]:
    """Yield the chunks as long as they hold counts; raise `NotCountsError` at one that does not."""
    for _, matrix in chunks:
        if len(matrix.data) and not are_counts(matrix.data):
            raise NotCountsError
        yield matrix


def are_counts(values: NDArray[np.generic]) -> bool:
    """Tell whether all values are counts, in one pass each: the case to be fast in."""
    if not (values.min() >= 0 and values.max() <= LARGEST):  # a NaN is neither
        return False
    return bool(np.issubdtype(values.dtype, np.integer)) or np.array_equal(np.rint(values), values)


@dataclass
class _Kind:
    """Entries of one kind: how many, and the first in words."""

    count: int = 0
    first: str = ""


@dataclass
class _Seen:
    """What was seen of all values so far."""

    infinite: _Kind = field(default_factory=_Kind)
    fractional: _Kind = field(default_factory=_Kind)
    negative: _Kind = field(default_factory=_Kind)
    large: _Kind = field(default_factory=_Kind)
    highest: float = -np.inf
    totals: list[NDArray[np.float64]] = field(default_factory=list)  # of the cells, as they are
    undone: list[NDArray[np.float64]] = field(default_factory=list)  # and with log1p undone


def fault_of(chunks: Callable[[], Chunks], cells: Any, genes: Any) -> Fault | None:
    """Return why a matrix is not counts, or None if it is; `cells` and `genes` name an entry.

    `chunks` begins to yield the matrix; it is asked twice when there is a fault.
    """
    try:
        for _ in counts_only(chunks()):
            pass
        return None
    except NotCountsError:
        return described(chunks(), cells, genes)


def described(chunks: Chunks, cells: Any, genes: Any) -> Fault | None:
    """Return the fault of a matrix that is known to have one, in words."""
    seen = _Seen()
    for start, matrix in chunks:
        _look(seen, start, matrix, cells, genes)
    if seen.infinite.count:
        return Fault(f"has {_entries(seen.infinite)} NaN or infinite{_at(seen.infinite)}", True)
    if seen.fractional.count:
        bad = seen.negative if seen.negative.count else seen.fractional
        return Fault(f"looks {_likeness(seen)}{_at(bad)}", fatal=False)
    if seen.negative.count:
        return Fault(f"has {_entries(seen.negative)} negative{_at(seen.negative)}", fatal=True)
    if seen.large.count:
        return Fault(f"has counts above {LARGEST}{_at(seen.large)}", fatal=True)
    return None


def _look(seen: _Seen, start: int, matrix: sparse.csr_matrix, cells: Any, genes: Any) -> None:
    """Add a chunk to what was seen."""
    values = matrix.data

    def add(kind: _Kind, bad: NDArray[np.bool_]) -> None:
        if not kind.count and bad.any():
            first = int(np.argmax(bad))
            row = start + int(np.searchsorted(matrix.indptr, first, side="right")) - 1
            gene = str(genes[int(matrix.indices[first])])
            kind.first = f"{values[first]:.6g} in cell {str(cells[row])!r}, gene {gene!r}"
        kind.count += int(bad.sum())

    add(seen.infinite, ~np.isfinite(values))
    add(seen.fractional, np.rint(values) != values)
    add(seen.negative, values < 0)
    add(seen.large, values > LARGEST)
    wide = np.asarray(values, dtype=np.float64)
    seen.highest = max(seen.highest, float(wide.max(initial=-np.inf)))
    for totals, each in ((seen.totals, wide), (seen.undone, np.expm1(np.minimum(wide, 30.0)))):
        rows = sparse.csr_matrix((each, matrix.indices, matrix.indptr), shape=matrix.shape)
        totals.append(np.asarray(rows.sum(axis=1)).ravel())


def _at(kind: _Kind) -> str:
    return f" (first: {kind.first})"


def _entries(kind: _Kind) -> str:
    return f"{kind.count} value{'s' if kind.count > 1 else ''}"


def _likeness(seen: _Seen) -> str:
    """Say what non-integer values look like."""
    if seen.negative.count:
        return "scaled (z-scores: negative and fractional values)"
    if seen.highest < 30:
        total = _common_total(np.concatenate(seen.undone))
        return "log-normalised" + (f" (log1p, {total:.6g} per cell)" if total else "")
    total = _common_total(np.concatenate(seen.totals))
    return "normalised" + (f" ({total:.6g} per cell)" if total else " (fractional values)")


def _common_total(totals: NDArray[np.float64]) -> float | None:
    """Return the sum that all cells share, if they do."""
    totals = totals[totals > 0]
    middle = float(np.median(totals))
    return middle if np.abs(totals - middle).max() < 0.01 * middle else None
