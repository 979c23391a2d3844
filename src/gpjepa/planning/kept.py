"""Shifts of all control cells by key, kept while memory lasts, and their means for good."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 256  # sets whose cells are looked at at once
SHARED = 4  # sets with the same shift, in the mean, from which products are made shift by shift
MEMORY = 2**28  # numbers that the shifts of cells take, at most: 1 GiB


class Kept:
    """Shifts [N, D] of N control cells by integer key, and means [D] over the cells.

    Where the cells' shifts fill the memory they are forgotten all at once; means stay.
    """

    def __init__(self, cells: int, latent: int, like: Tensor) -> None:
        self.most = max(1, MEMORY // (cells * latent))
        self.cells = Rows(like.new_empty((0, cells, latent)))
        self.means = Rows(like.new_empty((0, latent)))

    def fill(self, keys: np.ndarray, make: Callable[[np.ndarray], Float[Tensor, "S N D"]]) -> None:
        """Make and keep the shifts of the keys that are not kept; at most `most` keys."""
        keys = np.unique(keys)
        new = keys[self.cells.at(keys) < 0]
        if len(self.cells) + len(new) > self.most:
            self.cells.clear()
            new = keys
        if len(new):
            shifts = make(new)
            self.cells.add(new, shifts)
            fresh = self.means.at(new) < 0
            self.means.add(new[fresh], shifts[torch.from_numpy(fresh)].mean(dim=1))

    def total(self, keys: np.ndarray) -> Float[Tensor, "S D"]:
        """Return the summed mean shifts of keys [S, J], −1 for none."""
        return self.means.total(keys)

    def along(self, keys: np.ndarray, direction: Float[Tensor, "S D"]) -> Float[Tensor, "S N"]:
        """Return the summed shifts of each cell along a direction for each row of keys [S, J]."""
        found = direction.new_zeros((len(keys), self.cells.values.shape[1]))
        at = self.cells.at(keys)
        sets, columns = np.nonzero(at >= 0)
        order = np.argsort(at[sets, columns], kind="stable")
        rows, index = at[sets, columns][order], torch.from_numpy(sets[order]).to(found.device)
        ends = np.append(np.flatnonzero(np.diff(rows)) + 1, len(rows))
        if len(ends) * SHARED > len(rows):  # hardly a shift that several sets have
            for part in torch.arange(len(rows)).split(CHUNK):
                own = self.cells.values[torch.from_numpy(rows[part.numpy()])]
                here = index[part]
                each = torch.bmm(own, direction[here].unsqueeze(2)).squeeze(2)
                found.index_add_(0, here, each)
            return found
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            here = index[start:end]
            found.index_add_(0, here, direction[here] @ self.cells.values[rows[start]].T)
        return found

    def of_cells(self, keys: np.ndarray) -> Float[Tensor, "S N D"]:
        """Return the summed shifts of every cell of keys [S, J], −1 for none."""
        return self.cells.total(keys)

    def clear(self) -> None:
        """Forget everything."""
        self.cells.clear()
        self.means.clear()


class Rows:
    """Tensors by integer key, found for many keys at once."""

    def __init__(self, empty: Tensor) -> None:
        self.values = empty
        self._keys = np.zeros(0, dtype=np.int64)
        self._rows = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def at(self, keys: np.ndarray) -> np.ndarray:
        """Return the row of each key, −1 where there is none."""
        if not len(self._keys):
            return np.full(keys.shape, -1, dtype=np.int64)
        place = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._rows[place], -1)

    def add(self, keys: np.ndarray, values: Tensor) -> None:
        """Add the values of keys that are not there yet."""
        used, needed = len(self), len(self) + len(keys)
        if len(self.values) < needed:
            room = max(needed, 2 * len(self.values))
            grown = self.values.new_empty((room, *self.values.shape[1:]))
            grown[:used] = self.values[:used]
            self.values = grown
        self.values[used:needed] = values
        found = np.concatenate((self._keys, keys))
        order = np.argsort(found, kind="stable")
        rows = np.concatenate((self._rows, np.arange(used, needed)))
        self._keys, self._rows = found[order], rows[order]

    def total(self, keys: np.ndarray) -> Tensor:
        """Return the summed values of keys [S, J], −1 for none."""
        found = self.values.new_zeros((len(keys), *self.values.shape[1:]))
        for column in keys.T:
            row = torch.from_numpy(self.at(column)).to(found.device)
            there = row >= 0
            found[there] += self.values[row[there]]
        return found

    def clear(self) -> None:
        """Forget all keys; the memory is kept for others."""
        self._keys, self._rows = self._keys[:0], self._rows[:0]
