"""Verdicts and fallbacks held against the errors, and which latent head the model has and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpjepa.report.glossary import describe
from gpjepa.report.numbers import MISSING, finite, interval, number, whole
from gpjepa.report.run import VERSUS, Run
from gpjepa.report.scoreboard import ALL, records_of
from gpjepa.report.tables import in_order, text_of, values_of

ERROR = "normalised_mae"
RIVAL = "additive"
ORDER = ("use the model", "use the sum", "do not trust")
PILLS: Mapping[str, str] = {"use the model": "good", "use the sum": "fair", "do not trust": "poor"}


@dataclass(frozen=True)
class VerdictRow:
    """The error of the predictions with one verdict, the sum's beside it and their difference."""

    verdict: str
    css: str
    count: str
    own: str
    sum: str
    gap: str


@dataclass(frozen=True)
class SourceRow:
    """How many perturbations are predicted by what, with what error, and some of their names."""

    source: str
    count: int
    error: str
    names: str


@dataclass(frozen=True)
class HeadFacts:
    """The latent head, why it is the one, and its skills on validation perturbations."""

    kind: str
    asked: str
    reason: str
    skills: tuple[tuple[str, str, str], ...]


def verdict_rows(run: Run) -> list[VerdictRow]:
    """Return the normalised error by verdict, in the order in which errors should rise."""
    records = records_of(run)
    start = f"{ERROR}: "
    found = [key[1].removeprefix(start) for key in records if key[1].startswith(start)]
    names = [*(name for name in ORDER if name in found)]
    names += [name for name in in_order(found) if name not in names]
    rows = []
    for verdict in names:
        by_model = records.get(("effect", f"{start}{verdict}", ALL), {})
        own = by_model.get(run.model, {})
        gap = by_model.get(f"{run.model}{VERSUS}{RIVAL}", {})
        rows.append(
            VerdictRow(
                verdict=verdict,
                css=PILLS.get(verdict, ""),
                count=whole(own.get("n")),
                own=_with_interval(own),
                sum=_with_interval(by_model.get(RIVAL, {})),
                gap=_with_interval(gap),
            )
        )
    return rows


def source_rows(run: Run) -> list[SourceRow]:
    """Return what the predictions come from: the model, or what validation preferred to it."""
    table = run.effects
    labels, sources = text_of(table, "perturbation"), text_of(table, "source")
    of_label = dict(zip(labels, sources, strict=True))
    rows = []
    for source in in_order([name for name in of_label.values() if name]):
        names = [label for label, own in of_label.items() if own == source]
        mask = np.isin(np.array(labels, dtype=object), names)
        observed, predicted = (values_of(table, name)[mask] for name in ("observed", "predicted"))
        size = float(np.nansum(np.abs(observed)))
        missed = float(np.nansum(np.abs(observed - predicted)))
        error = number(missed / size) if size > 0 else MISSING
        rest = f" and {len(names) - 6} more" if len(names) > 6 else ""
        rows.append(SourceRow(source, len(names), error, ", ".join(names[:6]) + rest))
    return rows


def head_facts(run: Run) -> HeadFacts | None:
    """Return what head.json says; None without it."""
    if not run.head:
        return None
    before, after = (_skills(run.head.get(name)) for name in ("before", "after"))
    names = in_order([*before, *after])
    skills = tuple(
        (describe(name).label, number(before.get(name)), number(after.get(name))) for name in names
    )
    kind, asked = str(run.head.get("kind", MISSING)), str(run.head.get("asked", MISSING))
    return HeadFacts(kind, asked, str(run.head.get("reason", "")), skills)


def _skills(score: Any) -> dict[str, float]:
    population = score.get("population") if isinstance(score, dict) else None
    skills = population.get("skills") if isinstance(population, dict) else None
    if not isinstance(skills, dict):
        return {}
    known = {str(name): finite(value) for name, value in skills.items()}
    return {name: value for name, value in known.items() if value is not None}


def _with_interval(line: Mapping[str, Any]) -> str:
    value = number(line.get("value"))
    within = interval(line.get("low"), line.get("high"))
    return f"{value} ({within})" if within else value
