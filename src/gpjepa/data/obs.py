"""Columns of obs as arrays: perturbation labels, covariates and doses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError, VocabularyError
from gpjepa.data.labels import CONTROL, CONTROL_NAMES, is_control_name, parse_label
from gpjepa.data.readings import reading_remarks
from gpjepa.data.roles import Roles, text_values

if TYPE_CHECKING:
    from pandas import DataFrame


def perturbation_labels(
    texts: NDArray[np.object_], cells: NDArray[np.object_], roles: Roles
) -> tuple[NDArray[np.object_], list[str]]:
    """Return canonical labels [cells] of a perturbation column's texts, and remarks on them.

    Raises `DataError` for missing values and for labels that are no sets.
    """
    refuse_missing(texts, cells, roles.perturbation, "a perturbation or the control label")
    written = list(dict.fromkeys(texts))
    elsewhere = [text for text in written if text != roles.control and is_control_name(text)]
    free = [name for name in CONTROL_NAMES if not is_control_name(name, elsewhere)]
    controls = (roles.control, *free)
    known = {text for text in written if "_" not in text}
    canonical = {}
    for text in written:
        try:
            canonical[text] = parse_label(text, controls, known)
        except VocabularyError as error:
            raise DataError(f"column {roles.perturbation!r}: {error}") from error
        if canonical[text] == CONTROL and text in elsewhere:
            raise DataError(
                f"column {roles.perturbation!r} holds {text!r} beside the control label "
                f"{roles.control!r}; expected one label named {CONTROL!r}; rename or drop its cells"
            )
    remarks = [f"{text!r} is taken as a perturbation, not as control" for text in elsewhere]
    merged = len(written) - len(set(canonical.values()))
    if merged:
        remarks.append(f"{merged} labels name a set of members that another label names too")
    remarks += reading_remarks(canonical)
    return np.array([canonical[text] for text in texts], dtype=object), remarks


def covariate_values(obs: DataFrame, column: str) -> NDArray[np.object_]:
    """Return a covariate column [cells] as strings; raise `DataError` for missing values."""
    texts = text_values(obs, column)
    refuse_missing(texts, np.asarray(obs.index, dtype=object), column, "a level for every cell")
    return texts


def dose_values(obs: DataFrame, column: str, is_control: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return doses [cells]; a control cell without one has 0.

    Raises `DataError` for a perturbed cell without a finite, non-negative number.
    """
    import pandas

    doses = np.array(pandas.to_numeric(obs[column], errors="coerce"), dtype=np.float64)
    doses[is_control & ~np.isfinite(doses)] = 0.0
    bad = ~np.isfinite(doses) | (doses < 0)
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(
            f"dose column {column!r} has {int(bad.sum())} values that are no dose (first: "
            f"{obs[column].iloc[first]!r} in cell {str(obs.index[first])!r}); expected a number "
            "of at least 0 for every perturbed cell; fill them in or drop these cells"
        )
    return doses


def refuse_missing(
    texts: NDArray[np.object_], cells: NDArray[np.object_], column: str, expected: str
) -> None:
    """Raise `DataError` when a text is None, saying how many and the first cell."""
    missing = np.array([text is None for text in texts], dtype=bool)
    if missing.any():
        raise DataError(
            f"column {column!r} has {int(missing.sum())} missing values (first: cell "
            f"{str(cells[int(np.argmax(missing))])!r}); expected {expected}; fill them in or drop "
            "these cells"
        )
