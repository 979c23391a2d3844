"""The sequences that a plan may choose: steps in order, and what they may hold together."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from gpjepa.core.errors import ConfigError
from gpjepa.planning.sets import NONE, ordered, sizes
from gpjepa.planning.space import Space


@dataclass(frozen=True, eq=False)
class Courses:
    """Sequences of 1 to `steps` of M actions, none of them with a perturbation twice.

    `actions` [M, K] are sets of the candidates of `space`, −1 as padding. What a sequence applies
    in all must be a set of the space: forbidden pairs are kept apart whenever they are applied,
    required candidates come at some step, costs add up. Raises `ConfigError` for fewer than one
    step, no actions, or more steps than actions.
    """

    actions: np.ndarray
    steps: int
    space: Space

    def __post_init__(self) -> None:
        steps, count = self.steps, len(self.actions)
        if steps < 1:
            raise ConfigError(f"steps is {steps}; expected 1 or more; plan one step at least")
        if not count:
            raise ConfigError(
                "there are no candidates; expected one or more; allow some perturbations that were "
                "not applied yet"
            )
        if steps > count:
            raise ConfigError(
                f"steps is {steps} with {count} candidates, each used once; expected at most "
                f"{count}; plan fewer steps or allow more candidates"
            )

    @property
    def count(self) -> int:
        """Return how many actions there are, M."""
        return len(self.actions)

    @property
    def most(self) -> int:
        """Return how many sequences there are at most, constraints left aside."""
        return sum(
            prod(range(self.count, self.count - length, -1)) for length in range(1, self.steps + 1)
        )

    def sets(self, sequences: np.ndarray) -> np.ndarray:
        """Return the candidates that sequences [S, H] apply in all [S, H · K], in order."""
        held = np.where((sequences >= 0)[..., None], self.actions[sequences], NONE)
        return ordered(held.reshape(len(sequences), sequences.shape[1] * self.actions.shape[1]))

    def grows(self, sequences: np.ndarray) -> np.ndarray:
        """Tell which sequences [S, H] break nothing that further steps could not mend."""
        sets = self.sets(sequences)
        applied = np.append(sizes(self.actions), 0)[sequences].sum(axis=1)
        there: np.ndarray = self.space.grows(sets) & (sizes(sets) == applied)
        if self.space.required:
            held = [(sets == member).any(axis=1) for member in self.space.required]
            missing = len(held) - np.sum(held, axis=0)
            largest = int(sizes(self.actions).max())
            there &= missing <= (self.steps - (sequences >= 0).sum(axis=1)) * largest
        return there

    def allows(self, sequences: np.ndarray) -> np.ndarray:
        """Tell which sequences [S, H] may be the answer."""
        return self.grows(sequences) & self.space.allows(self.sets(sequences))

    def totals(self, sequences: np.ndarray) -> np.ndarray:
        """Return what sequences [S, H] cost [S]."""
        return self.space.totals(self.sets(sequences))

    def longer(self, sequences: np.ndarray) -> np.ndarray:
        """Return all sequences [E, T + 1] that one more step makes of sequences [S, T]."""
        found = np.repeat(sequences, self.count, axis=0)
        added = np.tile(np.arange(self.count), len(sequences))
        found = np.concatenate((found, added[:, None]), axis=1)
        return found[self.grows(found)]


def free(actions: np.ndarray, steps: int) -> Courses:
    """Return the sequences without constraints; `actions` [M, K] are numbered as the model does."""
    names, index = np.unique(actions[actions >= 0], return_inverse=True)
    own = np.full_like(actions, NONE)
    own[actions >= 0] = index
    if not len(names):
        names = np.zeros(1, dtype=np.int64)
    space = Space(tuple(map(str, names)), max_size=len(names))
    return Courses(own, steps, space)
