"""The verdict in sentences: where the model wins and where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from gpjepa.report.glossary import describe
from gpjepa.report.numbers import finite, interval, number
from gpjepa.report.run import AXES, VERSUS, Run
from gpjepa.report.scoreboard import ALL, Records, records_of


class Outcome(Enum):
    """How the model compares with the best baseline; a tie is never dressed up as a win."""

    WIN = ("win", "wins")
    AHEAD = ("tie", "ahead, unclear")
    BEHIND = ("tie", "behind, unclear")
    LOSS = ("loss", "does not win")
    OPEN = ("open", "no comparison")

    @property
    def css(self) -> str:
        """Return the class that colours the outcome."""
        return self.value[0]

    @property
    def words(self) -> str:
        """Return the outcome in words."""
        return self.value[1]


@dataclass(frozen=True)
class Sentence:
    """One row of the headline."""

    metric: str
    words: str
    outcome: Outcome


@dataclass(frozen=True)
class Opening:
    """The sentences, and how many comparisons the model leads, and leads clearly.

    `ties_known` says whether the run holds paired intervals that can tell a lead from a tie.
    """

    sentences: tuple[Sentence, ...]
    compared: int
    wins: int
    clear_wins: int
    ties_known: bool


def opening(run: Run) -> Opening:
    """Return the headline rows of summary.json as sentences, losses worded as plainly as wins."""
    rows = run.summary.get("headline")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    records = records_of(run)
    sentences = tuple(_sentence(row, run.model, records) for row in rows)
    outcomes = [sentence.outcome for sentence in sentences]
    return Opening(
        sentences=sentences,
        compared=sum(outcome is not Outcome.OPEN for outcome in outcomes),
        wins=sum(outcome in (Outcome.WIN, Outcome.AHEAD) for outcome in outcomes),
        clear_wins=outcomes.count(Outcome.WIN),
        ties_known=any(VERSUS in model for models in records.values() for model in models),
    )


def _sentence(row: dict[str, Any], model: str, records: Records) -> Sentence:
    metric = str(row.get("metric", "metric"))
    term = describe(metric)
    group = str(row.get("group") or row.get("perturbation") or ALL)
    subject = f"{term.label} ({term.direction})" if term.arrow else term.label
    subject = subject if group == ALL else f"{subject}, {group.replace('_', ' ')}"
    value, baseline = finite(row.get("model")), finite(row.get("best_baseline"))
    won = row["won"] if isinstance(row.get("won"), bool) else None
    if value is None:
        outcome = Outcome.LOSS if won is False else Outcome.OPEN
        return Sentence(subject, f"{model} has no score.", outcome)
    if baseline is None or won is None:
        words = f"{model} reaches {number(value)}; there is no baseline to compare with."
        return Sentence(subject, words, Outcome.OPEN)
    rival = str(row.get("best_baseline_name") or "the best baseline")
    ends = _difference(records, metric, group, model, rival)
    tie = ends is not None and ends[0] <= 0 <= ends[1]
    outcome = (Outcome.AHEAD if tie else Outcome.WIN) if won else Outcome.LOSS
    outcome = Outcome.BEHIND if tie and not won else outcome
    verb = "beats" if outcome is Outcome.WIN else "leads" if won else "does not beat"
    words = f"{model} ({number(value)}) {verb} the best baseline, {rival} ({number(baseline)})"
    if ends is not None:
        clear = "does not exclude" if tie else "excludes"
        words += f"; the paired difference ({interval(*ends)}) {clear} a tie"
    ceiling = finite(row.get("ceiling"))
    limit = "" if ceiling is None else f" The data's own replicate reaches {number(ceiling)}."
    return Sentence(subject, f"{words}.{limit}", outcome)


def _difference(
    records: Records, metric: str, group: str, model: str, rival: str
) -> tuple[float, float] | None:
    """Return the interval of the paired difference of model and rival; None if not known."""
    for axis in AXES:
        line = records.get((axis, metric, group), {}).get(f"{model}{VERSUS}{rival}", {})
        low, high = finite(line.get("low")), finite(line.get("high"))
        if low is not None and high is not None:
            return low, high
    return None
