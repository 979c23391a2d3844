"""Whether the model knows where it is wrong: risk against coverage, width against error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpjepa.report import svg
from gpjepa.report.numbers import MISSING, interval, number, short
from gpjepa.report.points import Points
from gpjepa.report.run import Run
from gpjepa.report.scales import Scale, padded
from gpjepa.report.tables import text_of, values_of
from gpjepa.report.trust_panel import (
    BOTTOM,
    FEWEST,
    FEWEST_ORDERED,
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
)

RISK = Text(
    "risk",
    "Are the predictions trusted most the least wrong?",
    "From left to right predictions are added, the most trusted first: the line should start low "
    "and stay near the oracle's, which knows the errors.",
    "A line along the flat one orders no better than chance; one that starts high trusts what is "
    "wrong.",
)
SIZES = Text(
    "width",
    "Are errors as large as the bars say?",
    "Dots should lie along the diagonal, from small to large: where the model expects a larger "
    "error, there is one.",
    "Dots above the diagonal have bars that are too short; dots above one another have the same "
    "bar whatever their error.",
)
ORDERS: Mapping[str, tuple[str, str]] = {
    "error bar": ("model", "ordered by the length of the error bars, with 95 % of resamples"),
    "novelty": ("moved", "ordered by distance from what was trained"),
    "oracle": ("large", "ordered by the errors themselves"),
    "random": ("small", "in any order"),
}
VERDICTS: Mapping[str, tuple[str, str]] = {
    "use the model": ("good", "use the model"),
    "use the sum": ("fair", "use the sum"),
    "do not trust": ("poor", "do not trust"),
}


def risk_panel(run: Run) -> TrustPanel:
    """Draw the mean error of the predictions kept against the share kept."""
    found = curve_of(run, "risk")
    count = max((perturbations_in(rows) for rows in found.values()), default=0)
    if count < FEWEST_ORDERED:
        scored = max(
            (perturbations_in(rows) for rows in curve_of(run, "coverage").values()), default=0
        )
        return too_few(RISK, scored, FEWEST_ORDERED)
    shown = [name for name in ORDERS if name in found]
    heights = np.concatenate([values_of(found[name], "value") for name in shown])
    x = Scale(0, 1, LEFT, RIGHT)
    y = Scale(0, 1.08 * float(np.nanmax(heights)), BOTTOM, TOP)
    body = [svg.axes(x, y, "share of predictions kept", "mean error, log1p")]
    for name in reversed(shown):
        rows, css = found[name], ORDERS[name][0]
        at = x(values_of(rows, "x"))
        if name == "error bar":
            low, high = (y(values_of(rows, key)) for key in ("low", "high"))
            body.append(svg.band(at, low, high, f"band {css}"))
        body.append(svg.line(at, y(values_of(rows, "value")), f"curve {css}"))
    facts = "; ".join([*_skills(run), f"{count} perturbations"])
    summary = f"Mean error of the predictions kept, the most trusted first: {facts}"
    legend = tuple(ORDERS[name] for name in shown)
    return TrustPanel(RISK, facts, legend, svg.figure(WIDTH, HEIGHT, body, summary))


def _skills(run: Run) -> list[str]:
    names = {"risk_coverage_area": "error bars", "risk_coverage_area_novelty": "novelty"}
    skills = {words: score_of(run, metric, "skill") for metric, words in names.items()}
    told = [f"{words} {short(skill)}" for words, skill in skills.items() if np.isfinite(skill)]
    return [f"{', '.join(told)} of the way from chance to the oracle"] if told else []


def width_panel(run: Run) -> TrustPanel:
    """Draw the error of every perturbation against the error that its bars expect."""
    found = curve_of(run, "width")
    count = sum(len(rows) for rows in found.values())
    if count < FEWEST:
        return too_few(SIZES, count, FEWEST)
    low, high = padded(
        np.concatenate([values_of(r, c) for r in found.values() for c in ("x", "value")])
    )
    low = max(0.0, low)
    x, y = Scale(low, high, LEFT, RIGHT), Scale(low, high, BOTTOM, TOP)
    ends = np.array([low, high])
    body = [
        svg.axes(x, y, "error expected by the bars, log1p", "error in fact, log1p"),
        svg.line(x(ends), y(ends), "diagonal"),
    ]
    legend = []
    for verdict, rows in found.items():
        css, words = VERDICTS.get(verdict, ("model", verdict or "held-out perturbations"))
        body.append(svg.dots(x(values_of(rows, "x")), y(values_of(rows, "value")), f"dot {css}"))
        legend.append((css, words))
    rank, least, most = (
        score_of(run, "spearman_sd_error", key) for key in ("value", "low", "high")
    )
    within = interval(least, most)
    facts = f"rank correlation {number(rank)}" + (f" ({within})" if within else "")
    facts += f"; {count} perturbations"
    summary = f"Error of each perturbation against the error expected by its bars: {facts}"
    picture = svg.figure(WIDTH, HEIGHT, body, summary, "trust width")
    return TrustPanel(SIZES, facts, tuple(legend), picture, _points(run, x, y))


def _points(run: Run, x: Scale, y: Scale) -> Points:
    rows = run.curves[np.array(text_of(run.curves, "curve"), dtype=object) == "width"]
    expected, missed = values_of(rows, "x"), values_of(rows, "value")
    verdicts = [verdict or MISSING for verdict in text_of(rows, "series")]
    columns: dict[str, np.ndarray | list[str]] = {
        "error expected": expected,
        "error in fact": missed,
        "verdict": verdicts,
    }
    return Points(x(expected), y(missed), text_of(rows, "label"), columns)
