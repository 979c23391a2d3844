"""Coverage of error bars and PIT histograms of effects and of populations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup

from gpjepa.report import svg
from gpjepa.report.numbers import interval, number
from gpjepa.report.run import Run
from gpjepa.report.scales import Scale
from gpjepa.report.tables import values_of
from gpjepa.report.trust_panel import (
    BOTTOM,
    FEWEST,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Text,
    TrustPanel,
    curve_of,
    perturbations_in,
    score_of,
    too_few,
    without,
)

COVERAGE = Text(
    "coverage",
    "Do the error bars hold?",
    "The line should follow the diagonal: bars that claim 90 % should hold 90 % of the measured "
    "effects, for small and for large effects.",
    "A line below the diagonal means bars that are too short, one above it bars that are longer "
    "than they need be.",
)
EFFECT_PIT = Text(
    "effect PIT",
    "Where measured effects fall in their predicted distribution",
    "Every bar should reach the line at 1: measured effects fall anywhere in the predicted "
    "distribution equally often.",
    "High bars at both ends mean overconfidence, a hump in the middle bars that are too long, a "
    "slope a bias.",
)
POPULATION_PIT = Text(
    "population PIT",
    "Where measured cells fall in the predicted population",
    "The model's outline should be as flat as that of a replicate, which is one half of the "
    "measured cells against the other.",
    "Peaks at both ends mean cells that are too much alike, a slope means counts that are too "
    "high or too low; an outline like that of control cells has learned nothing.",
)
SERIES: Mapping[str, tuple[str, str]] = {
    "all": ("model", "all effects, with the range of 95 % of resamples"),
    "large": ("large", "largest third of the perturbations, as predicted"),
    "medium": ("medium", "middle third"),
    "small": ("small", "smallest third"),
    "moved": ("moved", "genes predicted to move most"),
}


def coverage_panel(run: Run) -> TrustPanel:
    """Draw the nominal level against the share of measured effects inside, by stratum."""
    found = curve_of(run, "coverage")
    count = perturbations_in(found["all"]) if "all" in found else 0
    if count < FEWEST:
        return too_few(COVERAGE, count, FEWEST)
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    ends = np.array([0.0, 1.0])
    body = [
        svg.axes(x, y, "claimed by the bars", "held in fact"),
        svg.line(x(ends), y(ends), "diagonal"),
    ]
    shown = [name for name in SERIES if name in found]
    for name in reversed(shown):
        body += _coverage_line(found[name], SERIES[name][0], x, y, name == "all")
    covered, low, high = (score_of(run, "coverage_90", key) for key in ("value", "low", "high"))
    facts = f"90 % bars hold {number(covered)} ({interval(low, high)}); {count} perturbations"
    if len(shown) < len(SERIES):
        facts += ", too few to cut by size of effect"
    summary = f"Share of measured effects inside error bars against the share claimed: {facts}"
    legend = tuple(SERIES[name] for name in shown)
    return TrustPanel(COVERAGE, facts, legend, svg.figure(WIDTH, HEIGHT, body, summary))


def _coverage_line(rows: pd.DataFrame, css: str, x: Scale, y: Scale, banded: bool) -> list[Markup]:
    level, value = values_of(rows, "x"), values_of(rows, "value")
    at, up = (np.concatenate([[0.0], each]) for each in (level, value))
    line = svg.line(x(at), y(up), f"curve {css}")
    if not banded:
        return [line]
    low, high = y(values_of(rows, "low")), y(values_of(rows, "high"))
    return [svg.band(x(level), low, high, f"band {css}"), line]


def effect_pit_panel(run: Run) -> TrustPanel:
    """Draw the PIT histogram of the measured mean effects."""
    found = curve_of(run, "effect PIT")
    rows = found.get("effects")
    count = 0 if rows is None else perturbations_in(rows)
    if rows is None or count < FEWEST:
        return too_few(EFFECT_PIT, count, FEWEST)
    distance = score_of(run, "effect_pit_distance")
    facts = f"Kolmogorov distance from flat {number(distance)}; {count} perturbations"
    legend = (("observed", "measured effects; whiskers: 95 % of resamples"),)
    picture = _histograms({"observed": rows}, EFFECT_PIT.title, facts, "predicted distribution")
    return TrustPanel(EFFECT_PIT, facts, legend, picture)


def population_pit_panel(run: Run) -> TrustPanel:
    """Draw the PIT histograms of measured counts under model, control and a replicate."""
    found = curve_of(run, "population PIT")
    if not found:
        return without(
            POPULATION_PIT,
            "Not drawn: no held-out perturbation differs clearly from control, so a population "
            "that has learned nothing would look right.",
        )
    kinds = {"predicted": run.model, "control": "control", "replicate": "replicate"}
    shown = {css: found[name] for css, name in kinds.items() if name in found}
    count = max(perturbations_in(rows) for rows in shown.values())
    plural = "" if count == 1 else "s"
    facts = f"{count} perturbation{plural} with a clear response; genes with ≥ 0.5 counts a cell"
    names = {
        "predicted": f"sampled by {run.model}",
        "control": "control cells",
        "replicate": "replicate",
    }
    legend = tuple((css, names[css]) for css in shown)
    picture = _histograms(shown, POPULATION_PIT.title, facts, "predicted counts of a gene")
    return TrustPanel(POPULATION_PIT, facts, legend, picture)


def _histograms(shown: Mapping[str, pd.DataFrame], title: str, facts: str, label: str) -> Markup:
    """Draw densities over [0, 1] with the line at 1, whiskers only where there is one series."""
    single = len(shown) == 1
    columns = ("value", "high") if single else ("value",)
    top = max(
        float(np.nanmax(values_of(rows, name))) for rows in shown.values() for name in columns
    )
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, max(2.0, 1.08 * top), BOTTOM, TOP)
    body = [svg.axes(x, y, f"place in the {label}", "density"),
            svg.line(x(np.array([0.0, 1.0])), y(np.ones(2)), "diagonal")]  # fmt: skip
    for css, rows in shown.items():
        edges = np.append(values_of(rows, "x"), 1.0)
        body.append(svg.steps(x(edges), y(values_of(rows, "value")), BOTTOM, f"steps {css}"))
        if single:
            middle = x(0.5 * (edges[:-1] + edges[1:]))
            low, high = y(values_of(rows, "low")), y(values_of(rows, "high"))
            body.append(svg.segments(middle, low, middle, high, "whisker"))
    return svg.figure(WIDTH, HEIGHT, body, f"{title}: {facts}")
