"""Predicted against observed effects of the held-out conditions, one panel each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from gpjepa.report import svg
from gpjepa.report.glossary import describe
from gpjepa.report.numbers import MISSING, interval, number
from gpjepa.report.points import Points, thinned
from gpjepa.report.run import Run
from gpjepa.report.scales import Scale, padded
from gpjepa.report.tables import in_order, text_of, values_of

WIDTH, HEIGHT = 280, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 272, 10, 234  # the plot area is close to square, in pixels
METRIC, ADDITIVE = "pearson_delta", "additive"
POINT_BUDGET = 40_000  # points drawn in all panels together
FITTED = "trained on"  # the group of conditions that were not held out
GROUPS: Mapping[str, str] = {
    "combo_seen2": "Combinations never measured; both members were measured alone",
    "combo_seen1": "Combinations never measured; one member was measured",
    "combo_seen0": "Combinations never measured; no member was measured",
    "unseen_single": "Single perturbations never measured",
    "combination": "Combinations held out",
    "single": "Single perturbations held out",
    FITTED: "Conditions that the model was trained on: fit, not prediction",
    "": "Held-out conditions",
}


@dataclass(frozen=True, eq=False)
class Panel:
    """One condition: its picture, the figures of merit under its name, its points."""

    perturbation: str
    facts: str
    picture: Markup
    points: Points


@dataclass(frozen=True)
class PanelGroup:
    """Panels of conditions that were held out in the same way."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, eq=False)
class Effects:
    """One condition's effects over its genes, log1p pseudobulk units, float64 [G]."""

    perturbation: str
    genes: list[str]
    observed: np.ndarray
    observed_se: np.ndarray
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    additive: np.ndarray


def panel_groups(run: Run) -> list[PanelGroup]:
    """Return the panels by how conditions were held out, the largest observed effects first."""
    table = run.effects
    found = set(text_of(table, "group"))
    order = [name for name in GROUPS if name in found]
    order += sorted(found - set(order))
    scored = scores_of(run)
    conditions = max(1, table["perturbation"].nunique())
    limit = max(100, POINT_BUDGET // conditions)
    groups = []
    for name in order:
        rows = table[np.array([group == name for group in text_of(table, "group")])]
        effects = [effects_of(rows, label) for label in in_order(text_of(rows, "perturbation"))]
        effects.sort(key=lambda one: (-_norm(one.observed), one.perturbation))
        panels = tuple(_panel(one, _facts(one, scored, run.model), limit) for one in effects)
        groups.append(PanelGroup(GROUPS.get(name, name.replace("_", " ")), panels))
    return groups


def effects_of(table: pd.DataFrame, perturbation: str) -> Effects:
    """Return one condition's rows of effects.csv as arrays."""
    rows = table[np.array([label == perturbation for label in text_of(table, "perturbation")])]
    return Effects(
        perturbation=perturbation,
        genes=text_of(rows, "gene"),
        observed=values_of(rows, "observed"),
        observed_se=values_of(rows, "observed_se"),
        predicted=values_of(rows, "predicted"),
        low=values_of(rows, "low"),
        high=values_of(rows, "high"),
        additive=values_of(rows, "additive"),
    )


def _norm(values: np.ndarray) -> float:
    return float(np.sqrt(np.nansum(values**2)))


def scores_of(run: Run) -> dict[tuple[str, str], float]:
    """Return the scored Pearson Δ by perturbation and model."""
    columns = (text_of(run.metrics, name) for name in ("metric", "perturbation", "model"))
    lines = zip(*columns, values_of(run.metrics, "value"), strict=True)
    return {(label, model): value for metric, label, model, value in lines if metric == METRIC}


def _facts(effects: Effects, scored: dict[tuple[str, str], float], model: str) -> str:
    """Write the scores of the scoreboard under the picture that they sum up."""
    own = scored.get((effects.perturbation, model), np.nan)
    sum_of_singles = scored.get((effects.perturbation, ADDITIVE), np.nan)
    beside = "" if np.isnan(sum_of_singles) else f", additive {number(sum_of_singles)}"
    genes = f"{len(effects.genes)} gene" + ("" if len(effects.genes) == 1 else "s")
    score = "not scored" if np.isnan(own) else f"{describe(METRIC).label} {number(own)}"
    return f"{score}{beside} · {genes}"


def _panel(effects: Effects, facts: str, limit: int) -> Panel:
    keep = thinned(np.fmax(np.abs(effects.observed), np.abs(effects.predicted)), limit)
    everything = np.concatenate([effects.observed, effects.predicted, effects.additive])
    low, high = padded(everything)
    x, y = Scale(low, high, LEFT, RIGHT), Scale(low, high, BOTTOM, TOP)
    across, up = x(effects.predicted[keep]), y(effects.observed[keep])
    body = [
        svg.axes(x, y, "predicted", "observed"),
        svg.line(x(np.array([low, high])), y(np.array([low, high])), "diagonal"),
        _error_bars(effects, keep, x, y),
        svg.dots(x(effects.additive[keep]), up, "dot additive"),
        svg.dots(across, up, "dot model"),
        *_names(effects, x, y),
    ]
    summary = f"Observed against predicted effects of {effects.perturbation}: {facts}"
    points = Points(across, up, [effects.genes[index] for index in keep], _columns(effects, keep))
    key = f"effect {effects.perturbation}"
    return Panel(effects.perturbation, facts, svg.figure(WIDTH, HEIGHT, body, summary, key), points)


def _columns(effects: Effects, keep: np.ndarray) -> dict[str, np.ndarray | list[str]]:
    """Return what the tooltip of a gene says."""
    ranges = [interval(effects.low[index], effects.high[index]) or MISSING for index in keep]
    columns: dict[str, np.ndarray | list[str]] = {
        "observed": effects.observed[keep],
        "± standard error": effects.observed_se[keep],
        "predicted": effects.predicted[keep],
        "interval": ranges,
        "additive": effects.additive[keep],
    }
    return {
        name: values
        for name, values in columns.items()
        if (any(text != MISSING for text in values) if isinstance(values, list)
            else bool(np.isfinite(values).any()))
    }  # fmt: skip


def _error_bars(effects: Effects, keep: np.ndarray, x: Scale, y: Scale) -> Markup:
    """Return the model's interval across and one standard error of the observation up."""
    predicted, observed = effects.predicted[keep], effects.observed[keep]
    error = effects.observed_se[keep]
    across = svg.segments(
        x(effects.low[keep]), y(observed), x(effects.high[keep]), y(observed), "errors model"
    )
    up = svg.segments(
        x(predicted), y(observed - error), x(predicted), y(observed + error), "errors observed"
    )
    return svg.join([across, up])


def _names(effects: Effects, x: Scale, y: Scale, count: int = 4) -> list[Markup]:
    """Return the names of the genes that change most, where there is room for them."""
    placed: list[tuple[float, float, float]] = []
    marks: list[Markup] = []
    for index in np.argsort(-np.nan_to_num(np.abs(effects.observed)), kind="stable")[:count]:
        across, up = float(x(effects.predicted[index])), float(y(effects.observed[index]))
        name = _short(effects.genes[index])
        if not (np.isfinite(across) and np.isfinite(up)):
            continue
        width = 6.2 * len(name)
        left = across + 6 if across + 6 + width < RIGHT else across - 6 - width
        if any(abs(up - b) < 11 and left < a + w and a < left + width for a, b, w in placed):
            continue
        placed.append((left, up, width))
        marks.append(svg.text(left, up + 3.5, name, "name"))
    return marks


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"
