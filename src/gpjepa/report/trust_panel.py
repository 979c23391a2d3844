"""What every panel on calibration has: a picture, what to look for, and what a bad one shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from gpjepa.report.points import Points
from gpjepa.report.run import Run
from gpjepa.report.tables import in_order, text_of, values_of

FEWEST = 5  # perturbations from which calibration is drawn
FEWEST_ORDERED = 8  # perturbations from which an order by doubt is drawn
WIDTH, HEIGHT = 340, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 330, 12, 262  # the plot area, pixels
ALL = "all"  # the mean over perturbations in metrics.csv


@dataclass(frozen=True)
class Text:
    """The words of a panel: `key` names it on the page, `bad` says what a bad one looks like."""

    key: str
    title: str
    look: str
    bad: str


@dataclass(frozen=True, eq=False)
class TrustPanel:
    """A picture with its words, or in its place the reason why there is none.

    `legend` pairs a style with a name, `points` is what the tooltip says, if anything.
    """

    text: Text
    facts: str
    legend: tuple[tuple[str, str], ...]
    picture: Markup
    points: Points | None = None
    reason: str = ""


def without(text: Text, reason: str) -> TrustPanel:
    """Return a panel that says why nothing is drawn."""
    return TrustPanel(text, "", (), Markup(""), reason=reason)


def too_few(text: Text, count: int, needed: int) -> TrustPanel:
    """Return a panel that draws nothing because a picture of so few perturbations is noise."""
    if not count:
        return without(
            text, "Not recorded: run `gpjepa evaluate` with this version for what is drawn here."
        )
    plural = "" if count == 1 else "s"
    return without(
        text,
        f"Not drawn: {count} held-out perturbation{plural} would draw little but chance; it takes "
        f"{needed}.",
    )


def curve_of(run: Run, curve: str) -> dict[str, pd.DataFrame]:
    """Return the rows of one curve by series, in the order of the file."""
    rows = run.curves[np.array(text_of(run.curves, "curve"), dtype=object) == curve]
    series = np.array(text_of(rows, "series"), dtype=object)
    return {name: rows[series == name] for name in in_order(list(series))}


def perturbations_in(rows: pd.DataFrame) -> int:
    """Return how many perturbations stand behind the rows of a curve."""
    counts = values_of(rows, "n")
    known = counts[np.isfinite(counts)]
    return int(known.max()) if known.size else 0


def score_of(run: Run, metric: str, column: str = "value") -> float:
    """Return a score of the model over all perturbations; NaN where it has none."""
    table = run.metrics
    keys = zip(*(text_of(table, name) for name in ("metric", "perturbation", "model")), strict=True)
    wanted = np.array([key == (metric, ALL, run.model) for key in keys], dtype=bool)
    found = values_of(table, column)[wanted]
    return float(found[0]) if found.size else float("nan")
