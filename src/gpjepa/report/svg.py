"""Small pieces of SVG: marks as single paths, so that thousands of points stay light."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from markupsafe import Markup

from gpjepa.report.scales import Scale

TICK_ROOM = 13  # least distance between tick labels on an upright axis, pixels


def dots(x: np.ndarray, y: np.ndarray, css: str) -> Markup:
    """Return one path of round dots at pixels `x`, `y`; the stroke width is their diameter."""
    known = np.isfinite(x) & np.isfinite(y)
    path = "".join(f"M{_p(a)} {_p(b)}h0" for a, b in zip(x[known], y[known], strict=True))
    return _path(path, css)


def line(x: np.ndarray, y: np.ndarray, css: str) -> Markup:
    """Return a line through the points; it is interrupted where a value is not finite."""
    path, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if not (np.isfinite(a) and np.isfinite(b)):
            pen = "M"
            continue
        path.append(f"{pen}{_p(a)} {_p(b)}")
        pen = "L"
    return _path("".join(path), css)


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, css: str) -> Markup:
    """Return the area between two lines over pixels `x`; left out where not finite."""
    known = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    if known.sum() < 2:
        return Markup("")
    there = zip(x[known], low[known], strict=True)
    back = zip(x[known][::-1], high[known][::-1], strict=True)
    path = "L".join(f"{_p(a)} {_p(b)}" for a, b in (*there, *back))
    return _path(f"M{path}Z", css)


def segments(x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, css: str) -> Markup:
    """Return one path of separate strokes from (x0, y0) to (x1, y1)."""
    known = np.isfinite(x0) & np.isfinite(y0) & np.isfinite(x1) & np.isfinite(y1)
    ends = zip(x0[known], y0[known], x1[known], y1[known], strict=True)
    return _path("".join(f"M{_p(a)} {_p(b)}L{_p(c)} {_p(d)}" for a, b, c, d in ends), css)


def steps(edges: np.ndarray, heights: np.ndarray, base: float, css: str) -> Markup:
    """Return a histogram's outline: `edges` [n + 1] and `heights` [n] in pixels."""
    path = [f"M{_p(edges[0])} {_p(base)}"]
    for index, height in enumerate(heights):
        path.append(f"V{_p(height)}H{_p(edges[index + 1])}")
    path.append(f"V{_p(base)}")
    return _path("".join(path), css)


def box(left: float, top: float, right: float, bottom: float, css: str) -> Markup:
    """Return a filled rectangle between pixels."""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        css, _p(left), _p(top), _p(right - left), _p(bottom - top)
    )


def text(x: float, y: float, words: str, css: str, anchor: str = "start") -> Markup:
    """Return a text at a pixel; `words` are escaped."""
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>').format(
        _p(x), _p(y), css, anchor, words
    )


def axis_across(x: Scale, top: float, bottom: float, label: str, ticks: int = 4) -> Markup:
    """Return upright grid lines, tick labels and the name of an axis under a list of rows."""
    left, right = min(x.start, x.stop), max(x.start, x.stop)
    parts: list[Markup] = []
    for value, words in x.ticks(ticks):
        at = float(x(value))
        parts.append(_stroke(at, top, at, bottom, "grid"))
        parts.append(text(at, bottom + 13, words, "tick", "middle"))
    parts.append(_stroke(left, bottom, right, bottom, "axis"))
    parts.append(text((left + right) / 2, bottom + 27, label, "label", "middle"))
    return join(parts)


def axes(x: Scale, y: Scale, x_label: str, y_label: str, ticks: int = 4) -> Markup:
    """Return the grid, tick labels and axis names of a panel."""
    left, right = min(x.start, x.stop), max(x.start, x.stop)
    top, bottom = min(y.start, y.stop), max(y.start, y.stop)
    parts = [axis_across(x, top, bottom, x_label, ticks)]
    last = float("inf")
    for value, label in y.ticks(ticks):
        at = float(y(value))
        if last - at < TICK_ROOM:
            continue
        last = at
        parts.append(_stroke(left, at, right, at, "grid"))
        parts.append(text(left - 5, at + 3.5, label, "tick", "end"))
    parts.append(_stroke(left, top, left, bottom, "axis"))
    middle = _p((top + bottom) / 2)
    parts.append(
        Markup(
            '<text transform="translate(11 {}) rotate(-90)" class="label" '
            'text-anchor="middle">{}</text>'
        ).format(middle, y_label)
    )
    return join(parts)


def figure(
    width: int, height: int, body: Iterable[Markup], summary: str, points: str | None = None
) -> Markup:
    """Return an SVG element that scales with its container.

    `summary` is what a screen reader says. `points` names the data that the page's script
    shows when a mark is pointed at or reached with the arrow keys.
    """
    reach = Markup(' tabindex="0" data-points="{}"').format(points) if points else Markup("")
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}"{}>{}</svg>').format(
        width, height, summary, reach, join(body)
    )


def join(parts: Iterable[Markup]) -> Markup:
    """Concatenate pieces of markup."""
    return Markup("").join(parts)


def _path(path: str, css: str) -> Markup:
    return Markup('<path class="{}" d="{}"/>').format(css, path) if path else Markup("")


def _stroke(x0: float, y0: float, x1: float, y1: float, css: str) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        css, _p(x0), _p(y0), _p(x1), _p(y1)
    )


def _p(value: float) -> str:
    """Write a pixel position with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
