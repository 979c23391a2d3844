"""What to try next: the screen of unmeasured combinations as data for the page's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpjepa.report.numbers import rounded_all
from gpjepa.report.run import Run
from gpjepa.report.tables import SCREEN, text_of, values_of

HEADINGS: Mapping[str, str] = {
    "perturbation": "combination",
    "predicted_effect_size": "predicted effect",
    "additive_effect_size": "sum of singles",
    "novelty": "novelty",
    "verdict": "verdict",
    "top_genes": "genes predicted to change most",
}
VERDICTS: Mapping[str, tuple[str, str]] = {
    "use the model": (
        "good",
        "What the model learned of such combinations held up on validation data.",
    ),
    "use the sum": (
        "fair",
        "Validation does not support the model's interactions: expect its single effects to add.",
    ),
    "do not trust": (
        "poor",
        "Too far from what was trained on, or a member was only ever seen inside combinations.",
    ),
}


@dataclass(frozen=True)
class Verdict:
    """One verdict: how many rows carry it and how it is shown."""

    name: str
    css: str
    meaning: str
    count: int


def screen_document(run: Run) -> dict[str, Any]:
    """Return the table by columns; columns beyond the known ones follow as they are.

    `numeric` says which columns sort by value; a column without any value is left out.
    """
    known = list(HEADINGS)
    names = [name for name in known if name in run.screen.columns]
    names += [str(name) for name in run.screen.columns if name not in HEADINGS]
    numbers = {*SCREEN.numbers, *SCREEN.optional_numbers}
    columns: list[list[Any]] = []
    kept: list[str] = []
    for name in names:
        if name in numbers:
            values = values_of(run.screen, name)
            column: list[Any] = rounded_all(values, 6)
            empty = not np.isfinite(values).any()
        else:
            column = text_of(run.screen, name)
            empty = not any(column)
        if len(run.screen) and empty:
            continue
        kept.append(name)
        columns.append(column)
    return {
        "names": kept,
        "headings": [HEADINGS.get(name, name.replace("_", " ")) for name in kept],
        "numeric": [name in numbers for name in kept],
        "columns": columns,
        "verdicts": {name: css for name, (css, _) in VERDICTS.items()},
    }


def verdicts(run: Run) -> list[Verdict]:
    """Return the verdicts that occur, the known ones first, each with its meaning and count."""
    found = text_of(run.screen, "verdict")
    names = [*VERDICTS, *sorted(set(found) - set(VERDICTS))]
    counted = []
    for name in names:
        css, meaning = VERDICTS.get(name, ("other", ""))
        if found.count(name):
            counted.append(Verdict(name, css, meaning, found.count(name)))
    return counted
