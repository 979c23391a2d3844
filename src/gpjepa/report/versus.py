"""Is the model better than a rival? Answered by the paired difference and its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpjepa.report.glossary import Term
from gpjepa.report.numbers import finite, interval, number

AHEAD, BEHIND = "▲", "▽"  # beside a rival: clearly better, clearly worse than the model


@dataclass(frozen=True)
class Versus:
    """A rival's sign beside its score and the paired difference in words; empty if unknown."""

    sign: str
    words: str


def merit(value: float | None, term: Term) -> float | None:
    """Return a value on a scale where more is better; None without value or direction."""
    if value is None:
        return None
    match term.better:
        case "higher":
            return value
        case "lower":
            return -value
        case "target":
            return -abs(value - (term.best or 0.0))
        case "unknown":
            return None


def paired(line: dict[str, Any], model: str, rival: str, term: Term) -> Versus:
    """Return what a line of paired differences, model minus rival, says about the rival.

    For a metric with an inner optimum the difference is one of distances from it.
    """
    difference, low, high = (finite(line.get(name)) for name in ("value", "low", "high"))
    if difference is None or low is None or high is None or term.better == "unknown":
        return Versus("", "")
    sign, verdict = "", "cannot be told apart"
    if low > 0 or high < 0:
        wins = (difference > 0) == (term.better == "higher")
        sign = BEHIND if wins else AHEAD
        verdict = f"{model if wins else rival} is better"
    of_distances = "of distances from the best value, " if term.better == "target" else ""
    words = (
        f"{model} − {rival}, {of_distances}paired: {number(difference)} "
        f"({interval(low, high)}); {verdict}"
    )
    return Versus(sign, words)
