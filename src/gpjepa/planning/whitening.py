"""Whitening by effects that are known: what moves a lot counts for less."""

from __future__ import annotations

import numpy as np

from gpjepa.core.errors import DataError

RIDGE = 3.0  # times the mean variance of a column, added to every direction


def whitening(effects: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """Return the symmetric map [G, G] that whitens by the second moments of effects [P, G].

    W = (EᵀE + ridge · (‖E‖² / G) · I)^(−1/2), about no change and not about the mean. Effects in
    rows are whitened by `effects @ W`. Raises `DataError` where nothing moves or the ridge is not
    above 0.
    """
    effects = np.asarray(effects, dtype=np.float64)
    level = float((effects**2).sum()) / max(effects.shape[1], 1)
    if not (np.isfinite(level) and level > 0 and ridge > 0):
        raise DataError(
            f"effects {effects.shape} have mean square {level:g} and the ridge is {ridge:g}; "
            "expected finite effects, not all 0, and a ridge above 0; check the table"
        )
    values, vectors = np.linalg.eigh(effects.T @ effects)
    scale = (np.maximum(values, 0.0) + ridge * level) ** -0.5
    return np.asarray((vectors * scale) @ vectors.T)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the cosine of every row of `left` [N, G] with every row of `right` [M, G].

    0 for a row without length.
    """
    return np.asarray(_unit(left) @ _unit(right).T)


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0))
