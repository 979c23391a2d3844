"""The floor: sets drawn evenly from the space, none twice."""

from __future__ import annotations

from dataclasses import dataclass

from gpjepa.core.random import numpy_stream
from gpjepa.planning.objective import Ledger


@dataclass(frozen=True)
class RandomSearch:
    """Scores distinct random sets, `chunk` at a time, until the budget is spent."""

    chunk: int = 1024

    def __call__(self, ledger: Ledger, seed: int) -> None:
        """Spend the budget on random sets."""
        sets = ledger.space.draw(ledger.left, numpy_stream(seed, "planning", "random"))
        for iteration, start in enumerate(range(0, len(sets), self.chunk)):
            ledger.score(sets[start : start + self.chunk], "random", iteration)
