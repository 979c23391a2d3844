"""What the spread of predicted cells is made of, and which cells respond at all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpjepa.report import svg
from gpjepa.report.numbers import number
from gpjepa.report.points import Points
from gpjepa.report.run import Run
from gpjepa.report.scales import Scale
from gpjepa.report.tables import in_order, text_of, values_of
from gpjepa.report.trust_panel import RIGHT, WIDTH, Text, TrustPanel, without

SPREAD = Text(
    "spread",
    "Where the spread between cells comes from",
    "Part of every bar should be the latent: the share of the predicted variance that stands for "
    "cells responding differently.",
    "A bar without a latent part is a model in which all cells respond alike and differ by depth, "
    "by where they started and by count noise only.",
)
RESPONDING = Text(
    "responders",
    "Which share of the cells responds",
    "The dots are the estimated shares of cells that the perturbation acted in, with their "
    "intervals; at 1 no cell escapes.",
    "An interval from 0 to 1 says that the data do not tell, a share near 0 that the predicted "
    "population is mostly control cells.",
)
SOURCES: Mapping[str, tuple[str, str]] = {
    "library": ("library", "depth"),
    "control": ("start", "control cells"),
    "latent": ("latent", "latent"),
    "counts": ("noise", "count noise"),
}
MOST = 16  # perturbations that are drawn
ROW, TOP, FOOT = 22, 8, 38  # height of a row and of the margins, pixels
NAME = 122  # width of the names, pixels
NAME_LETTERS = 18


def spread_panel(run: Run) -> TrustPanel:
    """Draw the sources of the predicted variance of each perturbation as a bar cut in parts."""
    table = run.spread
    labels, sources = text_of(table, "perturbation"), text_of(table, "source")
    shares = dict(zip(zip(labels, sources, strict=True), values_of(table, "share"), strict=True))
    if not shares:
        return without(SPREAD, "Not recorded in this run.")
    names = in_order(labels)
    shown = names[:MOST]
    x, height = Scale(0, 1, NAME, RIGHT), TOP + ROW * len(shown) + FOOT
    body = [svg.axis_across(x, TOP, height - FOOT, "share of the variance")]
    known = [name for name in SOURCES if name in sources]
    for row, label in enumerate(shown):
        parts = np.array([max(shares.get((label, name), 0.0), 0.0) for name in known])
        ends = np.concatenate([[0.0], np.cumsum(parts)]) / (parts.sum() or 1.0)
        top = TOP + ROW * row + 3
        body.append(svg.text(NAME - 6, top + 12, _short(label), "tick", "end"))
        for name, first, last in zip(known, ends[:-1], ends[1:], strict=True):
            pixels = x(np.array([first, last]))
            body.append(
                svg.box(pixels[0], top, pixels[1], top + ROW - 6, f"part {SOURCES[name][0]}")
            )
    latent = [shares[label, "latent"] for label in names if (label, "latent") in shares]
    facts = (
        f"latent: {number(float(np.median(latent)))} of the variance in the median"
        if latent
        else ""
    )
    facts += f"; {len(shown)} of {len(names)} drawn" if len(shown) < len(names) else ""
    summary = f"Sources of the predicted variance of each perturbation: {facts}"
    legend = tuple(SOURCES[name] for name in known)
    return TrustPanel(SPREAD, facts, legend, svg.figure(WIDTH, height, body, summary))


def responders_panel(run: Run) -> TrustPanel:
    """Draw the estimated share of responding cells of each perturbation with its interval."""
    table = run.responders
    if not len(table):
        return without(RESPONDING, "Not recorded: the model has no mixture of responders.")
    shown = table.head(MOST)
    labels = text_of(shown, "perturbation")
    fraction, low, high = (values_of(shown, name) for name in ("fraction", "low", "high"))
    x, height = Scale(0, 1, NAME, RIGHT), TOP + ROW * len(shown) + FOOT
    up = TOP + ROW * (np.arange(len(shown)) + 0.5)
    body = [
        svg.axis_across(x, TOP, height - FOOT, "share of responding cells"),
        *(svg.text(NAME - 6, at + 4, _short(label), "tick", "end")
          for label, at in zip(labels, up, strict=True)),
        svg.segments(x(low), up, x(high), up, "whisker model"),
        svg.dots(x(fraction), up, "dot model"),
    ]  # fmt: skip
    facts = f"median {number(float(np.nanmedian(values_of(table, 'fraction'))))}"
    facts += f"; {len(shown)} of {len(table)} drawn" if len(shown) < len(table) else ""
    summary = f"Share of the cells that respond to each perturbation: {facts}"
    picture = svg.figure(WIDTH, height, body, summary, "trust responders")
    points = Points(x(fraction), up, labels, {"share": fraction, "from": low, "to": high})
    return TrustPanel(RESPONDING, facts, (), picture, points)


def _short(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else f"{name[: NAME_LETTERS - 1]}…"
