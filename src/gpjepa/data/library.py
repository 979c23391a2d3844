"""The library size of each cell: its total over the whole transcriptome or over the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError
from gpjepa.data.disk_counts import Counts
from gpjepa.data.roles import LIBRARY_COLUMNS, columns_like, require_column

if TYPE_CHECKING:
    from pandas import DataFrame

_SLACK = 0.5  # counts: totals are integers, rounded at worst


def panel_sums(counts: Counts) -> NDArray[np.float64]:
    """Return each cell's sum of counts over the genes at hand."""
    return np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()


def find_library(
    obs: DataFrame, counts: Counts, given: str | None = None
) -> tuple[NDArray[np.float64], bool, str | None]:
    """Return library sizes [cells] in counts, whether they exceed the panel, and their column.

    The column is `given` or the first of total_counts, n_counts and total_umi that is there.
    When it equals the panel's sum everywhere there is no rest of the transcriptome.

    Raises `DataError` for totals that are not numbers or lie below the sum over the panel.
    """
    if given is not None:
        require_column(obs, given, "library")
    found = [given] if given is not None else columns_like(obs, LIBRARY_COLUMNS)
    sums = panel_sums(counts)
    if not found:
        return sums, False, None
    column = found[0]
    totals = _numbers(obs, column)
    short = totals < sums - _SLACK
    if short.any():
        first = int(np.argmax(short))
        raise DataError(
            f"library column {column!r} is below the sum over the genes in {int(short.sum())} "
            f"cells (first: {str(obs.index[first])!r}, {totals[first]:.6g} < {sums[first]:.6g}); "
            "expected each cell's total of raw counts; name the right column with library=... "
            "(--library), or drop this one to use the sum over the genes"
        )
    if not (totals > sums + _SLACK).any():
        return sums, False, column
    return np.maximum(totals, sums), True, column


def _numbers(obs: DataFrame, column: str) -> NDArray[np.float64]:
    import pandas

    totals = np.asarray(pandas.to_numeric(obs[column], errors="coerce"), dtype=np.float64)
    bad = ~np.isfinite(totals)
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(
            f"library column {column!r} has {int(bad.sum())} values that are not finite numbers "
            f"(first: {obs[column].iloc[first]!r} in cell {str(obs.index[first])!r}); expected "
            "each cell's total of raw counts; name another column with library=... (--library) "
            "or drop this one"
        )
    return totals
