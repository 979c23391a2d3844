"""The picture of the README: what the demo really gave, in three panels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.core.files import write_atomic
from gpjepa.report.effect_panels import FITTED, METRIC, Effects, effects_of
from gpjepa.report.glossary import describe
from gpjepa.report.numbers import number
from gpjepa.report.populations import count_edges
from gpjepa.report.run import VERSUS, Run, read_run
from gpjepa.report.tables import in_order, text_of, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Mapping[str, str] = {
    "model": "#c14a00",
    "observed": "#0a66a8",
    "additive": "#00795a",
    "control": "#8a939c",
    "ink": "#1b2025",
    "soft": "#545e68",
}
STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#8a939c",
    "axes.labelcolor": "#545e68",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#545e68",
    "ytick.color": "#545e68",
    "text.color": "#1b2025",
    "legend.frameon": False,
}
SIZE, DPI = (16.0, 5.2), 100  # inches, so that the picture is 1600 pixels wide


def readme_figure(run: Path | str, path: Path | str) -> Path:
    """Draw a run's predictions, scores and sampled counts as a PNG 1600 pixels wide.

    Raises:
        CheckpointError: files of the run are missing or damaged, or an axis has no score.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    loaded = read_run(run)
    style: Any = dict(STYLE)
    with rc_context(style):
        layout = ConstrainedLayoutEngine(wspace=0.06, w_pad=0.12, h_pad=0.1)
        figure = Figure(figsize=SIZE, dpi=DPI, layout=layout, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        effects, scores, counts = figure.subplots(1, 3, width_ratios=(1.0, 1.05, 1.1))
        _draw_effects(effects, loaded)
        _draw_scores(scores, loaded)
        _draw_counts(counts, loaded)

        def save(target: Path) -> None:
            canvas.print_png(target, metadata={"Software": None})

        return write_atomic(path, save)


def _combinations(run: Run) -> list[Effects]:
    """Return the held-out combinations, or all held-out conditions where there is none."""
    labels = in_order(text_of(run.effects, "perturbation"))
    doubles = [label for label in labels if "+" in label]
    return [effects_of(run.effects, label) for label in doubles or labels]


def _is_fit(run: Run) -> bool:
    """Return whether the run held nothing out, so that its scores are of fit."""
    return FITTED in text_of(run.effects, "group")


def _what(run: Run, count: int) -> str:
    """Say what the panels are about, in words."""
    doubles = any("+" in label for label in text_of(run.effects, "perturbation"))
    noun = "combination" if doubles else "perturbation"
    held = "trained-on" if _is_fit(run) else "held-out"
    return f"{count} {held} {noun}{'' if count == 1 else 's'}"


def _draw_effects(axes: Axes, run: Run) -> None:
    """Draw all genes of the held-out combinations, the sum of singles behind the model."""
    chosen = _combinations(run)
    axes.set_title(
        "Effects that the model was trained on"
        if _is_fit(run)
        else "Effects that the model never saw"
    )
    axes.set(xlabel="predicted change (log1p pseudobulk)", ylabel="observed change")
    if not chosen:
        _say_empty(axes, "nothing was held out")
        return
    observed, predicted, additive = (
        np.concatenate([getattr(one, name) for one in chosen])
        for name in ("observed", "predicted", "additive")
    )
    ends = np.nanmin([observed, predicted]), np.nanmax([observed, predicted])
    axes.plot(ends, ends, color=COLOURS["control"], linewidth=1, linestyle="--", zorder=0)
    if np.isfinite(additive).any():
        axes.scatter(additive, observed, s=14, c=COLOURS["additive"], marker="s", alpha=0.5,
                     linewidths=0, label="sum of single effects")  # fmt: skip
    axes.scatter(predicted, observed, s=26, c=COLOURS["model"], alpha=0.85, linewidths=0,
                 label=run.model)  # fmt: skip
    axes.legend(title=f"{_what(run, len(chosen))}, a dot is a gene", loc="upper left",
                alignment="left", handletextpad=0.3, borderaxespad=0.2)  # fmt: skip
    axes.margins(0.06)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.22 * (high - low))


def _draw_scores(axes: Axes, run: Run) -> None:
    """Draw one metric as bars, each held-out condition as a dot, and the data's own ceiling.

    Only models that predict every one of these conditions are shown: means over different
    conditions cannot be compared.
    """
    axes.set_title(f"{describe(METRIC).label}: {run.model}, baselines and ceiling")
    chosen = [one.perturbation for one in _combinations(run)]
    scores = _scores(run, "value", chosen)
    complete = {name: values for name, values in scores.items() if np.isfinite(values).all()}
    if not complete or not chosen:
        _say_empty(axes, f"{METRIC} was not scored")
        return
    names = sorted(complete, key=lambda name: float(complete[name].mean()))
    means = [float(complete[name].mean()) for name in names]
    colours = [COLOURS["model"] if name == run.model else "#b9c0c6" for name in names]
    axes.barh(names, means, color=colours, height=0.66)
    for place, name in enumerate(names):
        axes.scatter(complete[name], np.full(len(chosen), place), s=9, c=COLOURS["ink"], zorder=3)
    _mark_ceiling(axes, _scores(run, "ceiling", chosen)[names[-1]])
    axes.set_xlabel(f"mean over {_what(run, len(chosen))}; a dot is one of them")
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
    axes.spines["left"].set_visible(False)


def _scores(run: Run, column: str, labels: list[str]) -> dict[str, np.ndarray]:
    """Return a column of the metric's rows per model, one value per label, NaN if absent."""
    names = ("axis", "metric", "perturbation", "model")
    found: dict[str, np.ndarray] = {}
    for axis, metric, label, model, value in zip(
        *(text_of(run.metrics, name) for name in names),
        values_of(run.metrics, column),
        strict=True,
    ):
        if axis == "effect" and metric == METRIC and label in labels and VERSUS not in model:
            found.setdefault(model, np.full(len(labels), np.nan))[labels.index(label)] = value
    return found


def _mark_ceiling(axes: Axes, values: np.ndarray) -> None:
    """Draw what one half of the measured cells achieves when it predicts the other half."""
    if not np.isfinite(values).any():
        return
    ceiling = float(np.nanmean(values))
    axes.axvline(ceiling, color=COLOURS["observed"], linewidth=1.6, linestyle="--")
    axes.annotate(
        f"ceiling {number(ceiling)}",
        xy=(ceiling, 0.0),
        xycoords=("data", "axes fraction"),
        xytext=(-6, 8),
        textcoords="offset points",
        ha="right",
        color=COLOURS["observed"],
    )


def _draw_counts(axes: Axes, run: Run) -> None:
    """Draw the counts of the gene that changes most in the strongest combination."""
    axes.set_title("Cells sampled and cells measured")
    table = run.histograms
    labels = np.array(text_of(table, "perturbation"), dtype=object)
    drawable = [one for one in _combinations(run) if one.perturbation in set(labels)]
    if not drawable:
        _say_empty(axes, "no held-out condition has measured cells")
        return
    strongest = max(drawable, key=lambda one: float(np.nansum(one.observed**2))).perturbation
    rows = table[labels == strongest]
    genes, kinds = text_of(rows, "gene"), text_of(rows, "kind")
    counts, shares = values_of(rows, "count"), values_of(rows, "fraction")
    chosen = np.array(genes, dtype=object) == genes[0]
    edges, highest = count_edges(int(counts[chosen].max())), 0.0
    for kind, name in (("control", "control cells"), ("observed", "measured"),
                       ("predicted", f"sampled by {run.model}")):  # fmt: skip
        mask = chosen & (np.array(kinds, dtype=object) == kind)
        heights = np.histogram(counts[mask], bins=edges, weights=shares[mask])[0]
        highest = max(highest, float(heights.max()))
        if kind == "control":
            axes.stairs(heights, edges, fill=True, color=COLOURS["control"], alpha=0.3, label=name)
        else:
            colour = COLOURS["model" if kind == "predicted" else kind]
            dash = "--" if kind == "predicted" else "-"
            axes.stairs(heights, edges, color=colour, linewidth=2, linestyle=dash, label=name)
    axes.set(xlabel="counts in a cell", ylabel="share of cells (square-root scale)")
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set_yticks([0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_ylim(0, 1.75 * highest)  # room for the legend
    if len(edges) - 1 < edges[-1]:  # bars that widen
        axes.set_xscale("function", functions=(np.log1p, np.expm1))
        axes.set_xticks([0, *(10**power for power in range(8) if 10**power < edges[-1])])
    axes.set_xlim(0, edges[-1])
    how = "trained on" if _is_fit(run) else "held out"
    axes.legend(title=f"{genes[0]} after {strongest} ({how})", alignment="left", loc="upper right")


def _root(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(values, 0.0))


def _say_empty(axes: Axes, words: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color=COLOURS["soft"])
