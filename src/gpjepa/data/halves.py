"""Shares of cells drawn by a keyed hash of their names, so that no order of cells matters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.random import derive_seed


def name_ranks(names: NDArray[np.object_], seed: int, purpose: str) -> NDArray[np.int64]:
    """Return each name's rank under a hash keyed by `seed` and `purpose`."""
    key = derive_seed(seed, purpose).to_bytes(8, "little")
    hashes = [
        (hashlib.blake2b(str(name).encode(), key=key, digest_size=8).digest(), str(name))
        for name in names
    ]
    ranks = np.empty(len(hashes), dtype=np.int64)
    ranks[sorted(range(len(hashes)), key=hashes.__getitem__)] = np.arange(len(hashes))
    return ranks


def strata_of(columns: Sequence[NDArray[np.object_] | None], length: int) -> NDArray[np.int64]:
    """Return the stratum of each cell: one for each combination of levels that occurs."""
    present = [np.asarray(column, dtype=str) for column in columns if column is not None]
    if not present or length == 0:
        return np.zeros(length, dtype=np.int64)
    levels = np.stack([np.unique(column, return_inverse=True)[1] for column in present], axis=1)
    return np.unique(levels, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def draw_share(
    names: NDArray[np.object_],
    strata: NDArray[np.int64],
    share: float,
    seed: int,
    purpose: str,
) -> NDArray[np.bool_]:
    """Return a mask that takes share × size cells of every stratum, rounded, halves down."""
    ranks = name_ranks(names, seed, purpose)
    order = np.lexsort((ranks, strata))
    sizes = np.bincount(strata, minlength=int(strata.max()) + 1 if len(strata) else 1)
    starts = np.cumsum(sizes) - sizes
    position = np.empty(len(names), dtype=np.int64)
    position[order] = np.arange(len(names)) - starts[strata[order]]
    return np.asarray(position < np.ceil(share * sizes - 0.5 - 1e-9)[strata], dtype=bool)
