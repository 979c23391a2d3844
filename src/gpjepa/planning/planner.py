"""The seam that planners share, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gpjepa.core.errors import ConfigError, unknown
from gpjepa.planning.objective import Ledger

NAMES = ("cem", "exhaustive", "greedy", "beam", "random")


class Planner(Protocol):
    """Searches a space by spending the evaluations of a ledger, from which its answer is read.

    The same seed gives the same answer.
    """

    def __call__(self, ledger: Ledger, seed: int) -> None:
        """Score sets until the budget is spent or nothing is left to gain."""


def planner_named(name: str, **settings: Any) -> Planner:
    """Return the planner of a name, with its settings; raise `ConfigError` for unknown ones."""
    kinds = _kinds()
    if name not in kinds:
        advice = f"use one of {', '.join(NAMES)}"
        raise ConfigError(unknown("planner", name, NAMES, advice))
    try:
        found: Planner = kinds[name](**settings)
    except TypeError as error:
        raise ConfigError(f"planner {name!r} has no such setting: {error}") from None
    return found


def _kinds() -> Mapping[str, Any]:
    """Return the class of each name."""
    from gpjepa.planning.cem import CrossEntropy
    from gpjepa.planning.exhaustive import Exhaustive
    from gpjepa.planning.greedy import Beam, Greedy
    from gpjepa.planning.random_search import RandomSearch

    kinds = (CrossEntropy, Exhaustive, Greedy, Beam, RandomSearch)
    return dict(zip(NAMES, kinds, strict=True))
