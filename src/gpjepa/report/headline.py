"""The verdict in sentences: where the model wins and where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gpjepa.report.glossary import Term, describe
from gpjepa.report.numbers import finite, interval, number
from gpjepa.report.run import AXES, VERSUS, Run
from gpjepa.report.scoreboard import ALL, Records, records_of
from gpjepa.report.tables import text_of
from gpjepa.report.versus import merit

FEWEST = 5  # perturbations that must all agree before their agreement is called clear
GROUPS: Mapping[str, str] = {
    ALL: "all perturbations",
    "combo_seen2": "combinations never measured, of members measured alone",
    "combo_seen1": "combinations never measured, with one member measured",
    "combo_seen0": "combinations never measured, with no member measured",
    "unseen_single": "single perturbations never measured",
}


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
class Group:
    """The sentences about one group of perturbations."""

    title: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Opening:
    """The sentences by group, and how many comparisons the model leads, and leads clearly."""

    groups: tuple[Group, ...]
    compared: int
    wins: int
    clear_wins: int


@dataclass(frozen=True)
class Support:
    """What speaks for a difference being real, in words, and whether it is enough."""

    words: str
    clear: bool


def opening(run: Run) -> Opening:
    """Return the headline rows of summary.json as sentences, losses worded as plainly as wins."""
    rows = run.summary.get("headline")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    records, members = records_of(run), _members(run)
    sentences: dict[str, list[Sentence]] = {}
    for row in rows:
        group = str(row.get("group") or ALL)
        sentences.setdefault(group, []).append(
            _sentence(row, group, run.model, records, members.get(group, []))
        )
    outcomes = [sentence.outcome for found in sentences.values() for sentence in found]
    return Opening(
        groups=tuple(
            Group(
                _title(
                    name, [row for row in rows if str(row.get("group") or ALL) == name], records
                ),
                tuple(found),
            )
            for name, found in sentences.items()
        ),
        compared=sum(outcome is not Outcome.OPEN for outcome in outcomes),
        wins=sum(outcome in (Outcome.WIN, Outcome.AHEAD) for outcome in outcomes),
        clear_wins=outcomes.count(Outcome.WIN),
    )


def _title(group: str, rows: list[dict[str, Any]], records: Records) -> str:
    """Name a group; populations are scored where there is a response to look at."""
    if group == ALL and all(("generative", str(row.get("metric")), ALL) in records for row in rows):
        return "populations of cells, over the perturbations that respond"
    return GROUPS.get(group, group.replace("_", " "))


def _members(run: Run) -> dict[str, list[str]]:
    """Return the perturbations of each group, and of all."""
    pairs = zip(text_of(run.effects, "group"), text_of(run.effects, "perturbation"), strict=True)
    members: dict[str, list[str]] = {}
    for group, label in dict.fromkeys(pairs):
        members.setdefault(group, []).append(label)
    return members


def _sentence(
    row: dict[str, Any], group: str, model: str, records: Records, labels: list[str]
) -> Sentence:
    metric = str(row.get("metric", "metric"))
    term = describe(metric)
    subject = f"{term.label} ({term.direction})" if term.arrow else term.label
    value, baseline = finite(row.get("model")), finite(row.get("best_baseline"))
    won = row["won"] if isinstance(row.get("won"), bool) else None
    if value is None:
        outcome = Outcome.LOSS if won is False else Outcome.OPEN
        return Sentence(subject, f"{model} has no score.", outcome)
    if baseline is None or won is None:
        words = f"{model} reaches {number(value)}; there is no baseline to compare with."
        return Sentence(subject, words, Outcome.OPEN)
    rival = str(row.get("best_baseline_name") or "the best baseline")
    if group == ALL:
        support = _interval(records, metric, model, rival)
    else:
        support = _count(records, metric, labels, (model, rival), term)
    clear = support is not None and support.clear
    outcome = Outcome.WIN if clear else Outcome.AHEAD
    if not won:
        outcome = Outcome.LOSS if clear else Outcome.BEHIND
    verb = "beats" if outcome is Outcome.WIN else "leads" if won else "does not beat"
    words = f"{model} ({number(value)}) {verb} the best baseline, {rival} ({number(baseline)})"
    words += "." if support is None else f"; {support.words}."
    ceiling = finite(row.get("ceiling"))
    words += "" if ceiling is None else f" The data's own replicate reaches {number(ceiling)}."
    return Sentence(subject, words, outcome)


def _interval(records: Records, metric: str, model: str, rival: str) -> Support | None:
    """Return the paired difference over all perturbations; None where it is not recorded."""
    for axis in AXES:
        line = records.get((axis, metric, ALL), {}).get(f"{model}{VERSUS}{rival}", {})
        low, high = finite(line.get("low")), finite(line.get("high"))
        if low is not None and high is not None:
            clear = low > 0 or high < 0
            says = "excludes" if clear else "does not exclude"
            return Support(f"the paired difference ({interval(low, high)}) {says} a tie", clear)
    return None


def _count(
    records: Records, metric: str, labels: list[str], sides: tuple[str, str], term: Term
) -> Support | None:
    """Return for how many of a group's perturbations the model is better, one by one."""
    differences = []
    for axis in AXES:
        for label in labels:
            by_model = records.get((axis, metric, label), {})
            ours, theirs = (
                merit(finite(by_model.get(side, {}).get("value")), term) for side in sides
            )
            if ours is not None and theirs is not None:
                differences.append(ours - theirs)
    if not differences:
        return None
    better, total = sum(value > 0 for value in differences), len(differences)
    worse = sum(value < 0 for value in differences)
    words = f"{sides[0]} is better for {better} of {total} perturbation{'s' * (total > 1)}"
    return Support(words, total >= FEWEST and total in (better, worse))
