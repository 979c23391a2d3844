"""The oracle: every set of the space."""

from __future__ import annotations

from dataclasses import dataclass

from gpjepa.core.errors import ConfigError
from gpjepa.planning.objective import Ledger


@dataclass(frozen=True)
class Exhaustive:
    """Scores all sets, `chunk` at a time; raises `ConfigError` where the budget is too small."""

    chunk: int = 8192

    def __call__(self, ledger: Ledger, seed: int) -> None:
        """Score every set of the space; the seed changes nothing."""
        count = ledger.space.count()
        if count > ledger.left:
            raise ConfigError(
                f"the space has {count:,} sets and the budget {ledger.left:,} evaluations; an "
                f"exhaustive search needs {count:,}; raise the budget, lower max_size, or use the "
                "planner cem"
            )
        for iteration, sets in enumerate(ledger.space.every(self.chunk)):
            ledger.score(sets, "exhaustive", iteration)
