"""Pictures of a plan: how the search went, and predicted cells on their way to the goal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from gpjepa.report import svg
from gpjepa.report.numbers import number
from gpjepa.report.plan_file import Plan
from gpjepa.report.points import Points
from gpjepa.report.scales import Scale, padded

WIDTH, HEIGHT = 340, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 322, 12, 262
PLANNERS: Mapping[str, str] = {
    "cem": "cross-entropy",
    "exhaustive": "exhaustive: every set",
    "greedy": "greedy",
    "beam": "beam",
    "random": "random",
}
AXES = ("from control towards the goal", "most of the rest")
KINDS: Mapping[str, tuple[str, str]] = {
    "control": ("control", "control cells"),
    "goal": ("observed", "goal"),
    "predicted": ("model", "predicted"),
}


def convergence(plan: Plan) -> Markup:
    """Draw the best energy of every planner by evaluations spent."""
    traces = {name: _pairs(rows) for name, rows in plan.document["traces"].items()}
    traces = {name: found for name, found in traces.items() if len(found)}
    if not traces:
        return Markup("")
    spent = np.concatenate([found[:, 0] for found in traces.values()])
    energy = np.concatenate([found[:, 1] for found in traces.values()])
    wide = spent.max() / max(spent.min(), 1.0) > 30
    x = Scale(max(spent.min(), 1.0) if wide else 0.0, max(spent.max(), 2.0), LEFT, RIGHT,
              "log" if wide else "linear")  # fmt: skip
    y = Scale(*padded(energy), BOTTOM, TOP)
    body = [svg.axes(x, y, "sets scored", "best energy so far")]
    for name, found in traces.items():
        across, up = _stairs(found[:, 0], found[:, 1], float(spent.max()))
        body.append(svg.line(x(across), y(up), f"curve planner {name}"))
    last = ", ".join(f"{name} {number(float(found[-1, 1]))}" for name, found in traces.items())
    summary = f"Best energy by sets scored; in the end: {last}"
    return svg.figure(WIDTH, HEIGHT, body, summary)


def legend_of(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Return the style and the name of each planner that is drawn."""
    known = [name for name, rows in plan.document["traces"].items() if len(_pairs(rows))]
    return tuple((f"line planner {name}", PLANNERS.get(name, name)) for name in known)


def cells_to_the_goal(plan: Plan) -> tuple[Markup, Points | None]:
    """Draw control, goal and predicted cells along the way to the goal, with their means."""
    found = plan.document["map"]
    across, up = (np.array(found.get(axis, []), dtype=np.float64) for axis in ("x", "y"))
    kinds = np.array(found.get("kind", []), dtype=object)
    if not len(across):
        return Markup(""), None
    low, high = padded(across, 0.03)
    bottom, top = padded(up, 0.03)
    unit = max((high - low) / (RIGHT - LEFT), (top - bottom) / (BOTTOM - TOP))
    x = Scale((low + high) / 2 - unit * (RIGHT - LEFT) / 2,
              (low + high) / 2 + unit * (RIGHT - LEFT) / 2, LEFT, RIGHT)  # fmt: skip
    y = Scale((bottom + top) / 2 - unit * (BOTTOM - TOP) / 2,
              (bottom + top) / 2 + unit * (BOTTOM - TOP) / 2, BOTTOM, TOP)  # fmt: skip
    body = [svg.axes(x, y, _axis(plan, 0), _axis(plan, 1))]
    for kind, (css, _) in KINDS.items():
        rows = kinds == kind
        body.append(svg.dots(x(across[rows]), y(up[rows]), f"dot cell {css}"))
    means = [mean for mean in found.get("means", []) if len(mean) == 4]
    body += _arrows(means, x, y)
    points = Points(
        x(np.array([mean[2] for mean in means], dtype=np.float64)),
        y(np.array([mean[3] for mean in means], dtype=np.float64)),
        [str(mean[1]) for mean in means],
        {"mean of": [_what(str(mean[0])) for mean in means]},
    )
    summary = (
        "Control cells, the goal and cells predicted for the best set in two dimensions of the "
        f"latent: {', '.join(str(mean[1]) for mean in means)}"
    )
    key = f"plan {plan.name}" if means else None
    return svg.figure(WIDTH, HEIGHT, body, summary, key), points if means else None


def _pairs(rows: list[list[float]]) -> np.ndarray:
    """Return evaluations and energies [n, 2], those without an energy left out."""
    found = np.array([[np.nan if v is None else v for v in row[:2]] for row in rows], dtype=float)
    found = found.reshape(-1, 2)
    return np.asarray(found[np.isfinite(found).all(axis=1)])


def _stairs(spent: np.ndarray, energy: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a line that keeps each energy until the next, and the last to the end."""
    return np.repeat(np.append(spent, end), 2)[1:-1], np.repeat(energy, 2)


def _arrows(means: list[list[object]], x: Scale, y: Scale) -> list[Markup]:
    """Draw from the control's mean to those of the goal, of the best set and of its members."""
    at = {
        str(kind): (x(np.array([float(a)])), y(np.array([float(b)])))  # type: ignore[arg-type]
        for kind, _, a, b in means
    }
    if "control" not in at:
        return []
    parts = []
    for kind, _, a, b in means:
        if kind == "control":
            continue
        end = x(np.array([float(a)])), y(np.array([float(b)]))  # type: ignore[arg-type]
        parts.append(svg.segments(*at["control"], *end, f"way {kind}"))
        parts.append(svg.dots(*end, f"dot mean {kind}"))
    parts.append(svg.dots(*at["control"], "dot mean control"))
    return parts


def _what(kind: str) -> str:
    names = {
        "control": "control cells",
        "goal": "the goal",
        "predicted": "the best set",
        "additive": "the sum of its members",
        "member": "a member alone",
    }
    return names.get(kind, kind)


def _axis(plan: Plan, axis: int) -> str:
    shares = plan.document["map"].get("explained") or []
    share = f" ({shares[axis]:.0%} of the variance)" if axis < len(shares) else ""
    return f"{AXES[axis]}{share}"
