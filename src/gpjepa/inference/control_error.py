"""The control cells' own sampling error, taken off the cells that are predicted from them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gpjepa.inference.cells import CellTable

TAKEN_OFF = 0.5  # of the error, see `rate_factors`
MOST = 3.0  # times that a rate changes


def rate_factors(
    controls: CellTable,
    shared: Float[np.ndarray, " G"],
    target: float,
    known: float = 1.0,
) -> Float[np.ndarray, " G"]:
    """Return factors [G] on rates that take half of the control's error off predicted cells.

    `shared` [G] is what all measured effects have in common because the control's pseudobulk is
    off, in units of log1p(target · share): predicted effects are without it, but cells predicted
    from these control cells start where the control is off. Taking all of it off, they would be as
    near as can be to cells measured anew, and differ from their control cells by its error; with
    half of it the sum of both squared errors is least. `known` says how far these are the control
    cells that effects were measured against, see `share_known`: of others nothing is known. A
    gene's rate is taken one count further from zero on both sides, as one without counts has no
    ratio.
    """
    total = float(controls.library.sum())
    one = target / max(total, 1.0)
    level = np.asarray(controls.counts.sum(axis=0), dtype=np.float64).ravel() * one
    moved = np.expm1(np.maximum(np.log1p(level) + TAKEN_OFF * known * shared, 0.0))
    return np.clip((moved + one) / (level + one), 1.0 / MOST, MOST)


def share_known(
    names: np.ndarray, library: np.ndarray, known_names: np.ndarray, known_library: np.ndarray
) -> float:
    """Return how far cells are the known ones: the share of them times the share of these.

    Cells are the same that have one name and one library. The error of a part of the known cells,
    such as those of one context, is less and less that of all.
    """
    known = dict(zip(map(str, known_names), known_library, strict=True))
    same = sum(known.get(str(name)) == size for name, size in zip(names, library, strict=True))
    return same**2 / max(len(names) * len(known_names), 1)
