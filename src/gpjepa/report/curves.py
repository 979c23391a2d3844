"""Training curves and collapse monitors as small multiples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from gpjepa.report import svg
from gpjepa.report.numbers import finite, number
from gpjepa.report.run import Run
from gpjepa.report.scales import Scale, log_range, padded
from gpjepa.report.tables import in_order, text_of

MONITOR = "monitor"
TRAIN = "train"
SETS = (TRAIN, "validation")
STAGES: Mapping[str, str] = {
    "pretrain": "Stage A: pretraining of the cell encoder",
    "fit": "Stages B and C: the predictor and the count head",
}
TERMS: Mapping[str, str] = {
    "total": "sum of all terms",
    "predict": "distance of the predicted latent from the teacher's",
    "vicreg": "variance and covariance terms against collapse",
    "nb": "likelihood of the counts, nats per cell",
    "predictor_nb": "likelihood of the counts under the predictor's own samples",
    "kl": "divergence of recognition from prediction, nats per cell",
    "population": "distance of decoded from observed pseudobulks",
    "shift": "size of the first-order shifts",
    "interaction": "size of the pair shifts",
    "score": "what stops the training and chooses the model",
}


@dataclass(frozen=True)
class Curve:
    """One term of one stage over the epochs; `note` says how it is drawn if not as usual."""

    term: str
    meaning: str
    last: str
    note: str
    picture: Markup


@dataclass(frozen=True)
class StageCurves:
    """The terms of the objective, the validation scores and the monitors of one stage."""

    title: str
    terms: tuple[Curve, ...]
    scores: tuple[Curve, ...]
    monitors: tuple[Curve, ...]


def stages(run: Run) -> list[StageCurves]:
    """Return the curves by stage, in the order of training."""
    table = run.history
    labels = np.array(text_of(table, "stage"), dtype=object)
    return [_stage(name, table[labels == name]) for name in in_order(list(labels))]


def is_monitor(term: str) -> bool:
    """Return whether a term is a monitor, which is watched and not optimised."""
    return term.split("/")[0] == MONITOR


def by_epoch(rows: pd.DataFrame, column: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return epochs and the mean of a column at each, for every set with finite values."""
    labels = np.array(text_of(rows, "set"), dtype=object)
    means = {}
    for name in in_order([*(name for name in SETS if name in labels), *labels]):
        series = rows[labels == name].groupby("epoch", sort=True)[column].mean()
        epochs = np.asarray(series.index, dtype=np.float64)
        values = np.asarray(series, dtype=np.float64)
        known = np.isfinite(epochs) & np.isfinite(values)
        if known.any():
            means[name] = (epochs[known], values[known])
    return means


def _stage(stage: str, rows: pd.DataFrame) -> StageCurves:
    labels = np.array(text_of(rows, "term"), dtype=object)
    names = in_order(list(labels))
    names.sort(key=lambda name: name != "total")
    curves = {name: _curve(name, rows[labels == name]) for name in names}
    sets = np.array(text_of(rows, "set"), dtype=object)
    optimised = {name for name in names if not is_monitor(name) and TRAIN in sets[labels == name]}
    return StageCurves(
        title=STAGES.get(stage, stage),
        terms=tuple(curves[name] for name in names if name in optimised),
        scores=tuple(
            curves[name] for name in names if name not in optimised and not is_monitor(name)
        ),
        monitors=tuple(curves[name] for name in names if is_monitor(name)),
    )


def _is_weighted(rows: pd.DataFrame) -> bool:
    """Return whether every set has weights: a validation score that enters nothing has none."""
    weighted = np.nan_to_num(np.asarray(rows["weighted"], dtype=np.float64))
    labels = np.array(text_of(rows, "set"), dtype=object)
    return all(bool(weighted[labels == name].any()) for name in set(labels))


def _curve(term: str, rows: pd.DataFrame) -> Curve:
    """Draw a term: weighted as it enters the objective, anything else as it is measured."""
    monitor = is_monitor(term)
    weighted = not monitor and _is_weighted(rows)
    means = by_epoch(rows, "weighted" if weighted else "value")
    name = term.removeprefix(f"{MONITOR}/").replace("_", " ")
    if not means:
        return Curve(name, TERMS.get(term, ""), "no values", "", Markup(""))
    values = np.concatenate([values for _, values in means.values()])
    logarithmic = not monitor and bool((values > 0).all())
    last = ", ".join(f"{key} {number(finite(v[-1].item()))}" for key, (_, v) in means.items())
    picture = _picture(name, means, values, logarithmic, last)
    trained = TRAIN in means
    notes = [] if weighted or monitor or not trained else ["not weighted"]
    notes += [] if logarithmic or monitor else ["linear axis"]
    return Curve(name, TERMS.get(term, ""), last, ", ".join(notes), picture)


def _picture(
    name: str,
    means: dict[str, tuple[np.ndarray, np.ndarray]],
    values: np.ndarray,
    logarithmic: bool,
    last: str,
) -> Markup:
    epochs = np.concatenate([epochs for epochs, _ in means.values()])
    first, final = float(epochs.min()), float(epochs.max())
    if final <= first:
        first, final = first - 0.5, final + 0.5
    x = Scale(first, final, 46, 272)
    y = Scale(*(log_range(values) if logarithmic else padded(values)), 122, 8,
              "log" if logarithmic else "linear")  # fmt: skip
    body = [svg.axes(x, y, "epoch", "")]
    for key, (at, heights) in means.items():
        css = key if key in SETS else "other"
        body.append(svg.line(x(at), y(heights), f"curve {css}"))
        body.append(svg.dots(x(at[-1:]), y(heights[-1:]), f"dot {css}"))
    return svg.figure(280, 156, body, f"{name} over the epochs; last values: {last}")
