"""Sampled against observed populations of counts: histograms, variances, zero fractions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from gpjepa.report import svg
from gpjepa.report.numbers import number
from gpjepa.report.points import Points, thinned
from gpjepa.report.run import Run
from gpjepa.report.scales import Scale, log_range
from gpjepa.report.tables import text_of, values_of

KINDS = ("control", "observed", "predicted")
MAX_BARS = 30
SCATTER_BUDGET = 4_000
SHARE_EDGE = 1e-3  # shares of zeros are drawn between this and one minus it


@dataclass(frozen=True)
class Histogram:
    """The counts of one gene in control, observed and predicted cells of a condition."""

    gene: str
    means: str
    picture: Markup


@dataclass(frozen=True)
class Condition:
    """The histograms of one held-out condition."""

    perturbation: str
    histograms: tuple[Histogram, ...]


@dataclass(frozen=True, eq=False)
class Moments:
    """A scatter of a moment of the counts, predicted against observed, per gene and condition."""

    title: str
    picture: Markup
    points: Points
    shown: int
    total: int


def conditions(run: Run) -> list[Condition]:
    """Return the histograms of every condition, in the order of the file."""
    table = run.histograms
    labels, genes = text_of(table, "perturbation"), text_of(table, "gene")
    kinds = text_of(table, "kind")
    counts, fractions = values_of(table, "count"), values_of(table, "fraction")
    collected: dict[str, dict[str, dict[str, list[tuple[float, float]]]]] = {}
    for label, gene, kind, count, fraction in zip(
        labels, genes, kinds, counts, fractions, strict=True
    ):
        if np.isfinite(count) and np.isfinite(fraction) and count >= 0:
            of_gene = collected.setdefault(label, {}).setdefault(gene, {})
            of_gene.setdefault(kind, []).append((float(count), float(fraction)))
    return [
        Condition(label, tuple(_histogram(label, gene, by_kind) for gene, by_kind in found.items()))
        for label, found in collected.items()
    ]


def _histogram(
    perturbation: str, gene: str, by_kind: dict[str, list[tuple[float, float]]]
) -> Histogram:
    """Draw one gene; wide ranges of counts get bars that widen and a logarithmic axis."""
    top = int(max(count for pairs in by_kind.values() for count, _ in pairs))
    edges = count_edges(top)
    heights = {
        kind: np.histogram(
            [count for count, _ in pairs], bins=edges, weights=[share for _, share in pairs]
        )[0]
        for kind, pairs in by_kind.items()
    }
    highest = max(float(bars.max()) for bars in heights.values()) or 1.0
    x = Scale(0, float(edges[-1]), 44, 272, "linear" if top < MAX_BARS else "log1p")
    y = Scale(0, min(1.0, highest * 1.05), 138, 8, "sqrt")
    body = [svg.axes(x, y, "counts in a cell", "share of cells")]
    body += [
        svg.steps(x(edges), y(heights[kind]), float(y(0)), f"steps {kind}")
        for kind in KINDS
        if kind in heights
    ]
    means = ", ".join(
        f"{kind} {number(sum(count * share for count, share in by_kind[kind]))}"
        for kind in KINDS
        if kind in by_kind
    )
    summary = f"Distribution of {gene} counts in {perturbation}; mean counts: {means}"
    return Histogram(gene, means, svg.figure(280, 172, body, summary))


def count_edges(top: int) -> np.ndarray:
    """Return the borders of at most `MAX_BARS` bars that hold the whole counts 0 … `top`.

    Each bar is one count where they suffice; otherwise bars widen so that they look alike on an
    axis of log(1 + count).
    """
    if top < MAX_BARS:
        return np.arange(top + 2, dtype=np.float64)
    edges = np.expm1(np.linspace(0.0, np.log1p(top + 1), MAX_BARS + 1))
    return np.unique(np.round(edges))


def variance_scatter(run: Run) -> Moments:
    """Draw predicted against observed variances of the counts on logarithmic axes."""
    table = run.populations
    columns = {kind: values_of(table, f"{kind}_variance") for kind in KINDS}
    columns = {kind: np.where(values > 0, values, np.nan) for kind, values in columns.items()}
    low, high = log_range(np.concatenate([columns["observed"], columns["predicted"]]))
    x, y = Scale(low, high, 50, 330, "log"), Scale(low, high, 290, 10, "log")
    return _moments(run, "variance", columns, x, y)


def zero_scatter(run: Run) -> Moments:
    """Draw predicted against observed shares of zeros on log-odds axes."""
    table = run.populations
    columns = {kind: values_of(table, f"{kind}_zero") for kind in KINDS}
    known = np.concatenate([columns["observed"], columns["predicted"]])
    known = known[np.isfinite(known)]
    low = max(SHARE_EDGE, 0.7 * float(known.min())) if known.size else SHARE_EDGE
    high = min(1 - SHARE_EDGE, 1 - 0.7 * (1 - float(known.max()))) if known.size else 0.5
    if low >= high:
        low, high = SHARE_EDGE, 1 - SHARE_EDGE
    x, y = Scale(low, high, 50, 330, "logit"), Scale(low, high, 290, 10, "logit")
    return _moments(run, "share of zeros", columns, x, y)


def _moments(run: Run, title: str, columns: dict[str, np.ndarray], x: Scale, y: Scale) -> Moments:
    """Draw one scatter: the prediction, and beside it what control cells would give."""
    genes, labels = text_of(run.populations, "gene"), text_of(run.populations, "perturbation")
    observed, predicted, control = (columns[kind] for kind in ("observed", "predicted", "control"))
    drawable = np.flatnonzero(np.isfinite(observed) & np.isfinite(predicted))
    surprise = np.abs(x(predicted[drawable]) - y(observed[drawable]))
    keep = drawable[thinned(surprise, SCATTER_BUDGET)]
    ends = np.array([x.low, x.high])
    across, up = x(predicted[keep]), y(observed[keep])
    body = [
        svg.axes(x, y, f"{title}, predicted", f"{title}, observed"),
        svg.line(x(ends), y(ends), "diagonal"),
        svg.dots(x(control[keep]), up, "dot control"),
        svg.dots(across, up, "dot model"),
    ]
    summary = f"{title} of counts, observed against predicted, {len(drawable)} genes in conditions"
    points = Points(
        across,
        up,
        [f"{genes[index]} in {labels[index]}" for index in keep],
        {kind: columns[kind][keep] for kind in ("observed", "predicted", "control")},
    )
    picture = svg.figure(340, 326, body, summary, f"moment {title}")
    return Moments(title, picture, points, len(keep), len(drawable))
