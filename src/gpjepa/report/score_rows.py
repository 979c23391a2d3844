"""One row of the scoreboard: a metric for all models, with floor, ceiling and skill."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpjepa.report.glossary import Term, describe
from gpjepa.report.numbers import MISSING, finite, interval, number, whole
from gpjepa.report.run import VERSUS
from gpjepa.report.versus import merit, paired

UNDEFINED = "undefined"
FLOOR_AT, CEILING_AT = 25.0, 80.0  # where floor and ceiling stand on a row's track, percent
# Variants of a metric that stands in the table already; shown on demand.
EXTRA = re.compile(
    r"^(pearson|r2)_.*(expressed|de50|de100)$|^r2_|^overlap_(50|100)$|^de_|^normalised_mae$"
    r"|^centroid_accuracy$|^coverage_(50|80|95)$|^sharpness|^interval_score|^spearman_sd"
    r"|^pearson_perturbed_|^coverage_\d+_|^risk_coverage_area_novelty$"
    r"|^depth_(overlap|knn)_(50|25)$|^(pearson_delta|normalised_mae): "
)


@dataclass(frozen=True)
class Cell:
    """One model's score in a row: `mark` is its place on the track in percent, if it has one.

    `sign` says whether a rival is clearly better or worse than the model, `title` by how much;
    `partial` that the mean is over other perturbations than the model's.
    """

    text: str
    sign: str
    small: str
    best: bool
    mark: float | None
    title: str
    partial: str = ""


@dataclass(frozen=True)
class Row:
    """One metric for one perturbation, or for the mean over perturbations."""

    metric: str
    term: Term
    extra: bool
    cells: tuple[Cell, ...]
    floor: str
    ceiling: str
    skill: str
    undefined: str
    note: str
    n: str
    track: bool  # whether floor and ceiling are apart, so that a track can be drawn


def row_of(
    metric: str, by_model: dict[str, dict[str, Any]], models: list[str], note: str = ""
) -> Row:
    """Return a metric's row from the lines of metrics.csv by model; the first model is ours."""
    own = by_model.get(models[0], {})
    floor = _first([own, *by_model.values()], "floor")
    ceiling = _first([own, *by_model.values()], "ceiling")
    term = _with_direction(describe(metric), floor, ceiling)
    lines = [by_model.get(model, {}) for model in models]
    merits = [_rounded(merit(finite(line.get("value")), term)) for line in lines]
    partial = [_partial(line, own) for line in lines]
    known = {
        value for value, few in zip(merits, partial, strict=True) if value is not None and not few
    }
    best = max(known) if len(known) > 1 else None
    track = _ends({"floor": floor, "ceiling": ceiling}, term) is not None
    cells = []
    for model, line, score, few in zip(models, lines, merits, partial, strict=True):
        versus = paired(by_model.get(f"{models[0]}{VERSUS}{model}", {}), models[0], model, term)
        small = interval(line.get("low"), line.get("high"))
        cells.append(
            Cell(
                text=number(line.get("value")),
                sign=versus.sign,
                small=small,
                best=score is not None and score == best and not few,
                mark=_mark(score, _ends(line, term)) if track else None,
                title="; ".join(filter(None, [small and f"interval {small}", versus.words])),
                partial=few,
            )
        )
    left_out = finite(own.get("undefined")) or 0
    return Row(
        metric=metric,
        term=term,
        extra=bool(EXTRA.search(metric)),
        cells=tuple(cells),
        floor=number(floor),
        ceiling=number(ceiling),
        skill=_skill(own),
        undefined=f"{left_out:.0f} {UNDEFINED}" if left_out and _skill(own) != UNDEFINED else "",
        note=note,
        n=whole(own.get("n")),
        track=track,
    )


def _rounded(value: float | None) -> float | None:
    """Drop what only the order of a sum makes different, so that equals tie."""
    return None if value is None else float(f"{value:.9g}")


def _partial(line: dict[str, Any], own: dict[str, Any]) -> str:
    """Say over how many perturbations a rival's mean is, where it is not as many as the model's.

    A rival that predicts only some perturbations is compared by its paired difference alone.
    """
    size, whole_size = finite(line.get("n")), finite(own.get("n"))
    if finite(line.get("value")) is None or size is None or size == whole_size:
        return ""
    return f"only {size:.0f}"


def _ends(line: dict[str, Any], term: Term) -> tuple[float, float] | None:
    """Return the merits of a line's own floor and ceiling; None unless they are apart."""
    low, high = (merit(finite(line.get(name)), term) for name in ("floor", "ceiling"))
    return (low, high) if low is not None and high is not None and high > low else None


def _mark(score: float | None, ends: tuple[float, float] | None) -> float | None:
    """Return the place of a score between floor and ceiling, in percent of the track."""
    if score is None or ends is None:
        return None
    share = (score - ends[0]) / (ends[1] - ends[0])
    return round(float(np.clip(FLOOR_AT + share * (CEILING_AT - FLOOR_AT), 1.5, 98.5)), 1)


def _with_direction(term: Term, floor: float | None, ceiling: float | None) -> Term:
    """Take the direction of an unknown metric from its ceiling and floor."""
    if term.better != "unknown" or floor is None or ceiling is None or floor == ceiling:
        return term
    return Term(term.label, term.meaning, "higher" if ceiling > floor else "lower")


def _skill(line: dict[str, Any]) -> str:
    """Write the skill; `undefined` where the data's own ceiling is not clear of the floor."""
    known = finite(line.get("skill"))
    if known is not None:
        return number(known)
    return MISSING if finite(line.get("ceiling")) is None else UNDEFINED


def _first(lines: list[dict[str, Any]], column: str) -> float | None:
    """Return the first finite value of a column."""
    known = (finite(line.get(column)) for line in lines)
    return next((value for value in known if value is not None), None)
