"""The scoreboard: metrics as rows, models as columns, floor and ceiling beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpjepa.report.run import AXES, VERSUS, Run
from gpjepa.report.score_rows import Row, row_of
from gpjepa.report.tables import in_order

ALL = "all"  # the mean over perturbations
QUESTIONS: Mapping[str, str] = {
    "effect": "Is the mean change of expression right?",
    "representation": "Does the latent space keep what distinguishes cells?",
    "generative": "Do the sampled cells look like the measured cells?",
}


@dataclass(frozen=True)
class Board:
    """One axis of the evaluation."""

    axis: str
    question: str
    models: tuple[str, ...]
    rows: tuple[Row, ...]


Records = dict[tuple[str, str, str], dict[str, dict[str, Any]]]


def boards(run: Run) -> list[Board]:
    """Return one board per axis, in the order of `AXES`, for the mean over perturbations."""
    records = records_of(run)
    return [_board(run, records, axis, ALL) for axis in AXES]


def choices(run: Run) -> list[str]:
    """Return what a reader may choose: the mean, then other groups, then perturbations."""
    names = in_order([str(value) for value in run.metrics["perturbation"].tolist()])
    measured = {str(value) for value in run.effects["perturbation"].tolist()}
    groups = [name for name in names if name != ALL and name not in measured]
    return [ALL, *groups, *sorted(name for name in names if name in measured and name != ALL)]


def details(run: Run) -> dict[str, list[list[Any]]]:
    """Return for every choice its rows, in the order of the boards, ready to be painted.

    A row is [cells, floor, ceiling, skill, undefined, n, track]; a cell is
    [text, sign, small print, best, mark, title, partial].
    """
    records = records_of(run)
    return {
        name: [_paint(row) for axis in AXES for row in _board(run, records, axis, name).rows]
        for name in choices(run)
    }


def records_of(run: Run) -> Records:
    """Return (axis, metric, perturbation) → model → the line of metrics.csv."""
    grouped: Records = {}
    for line in run.metrics.to_dict("records"):
        key = (str(line["axis"]), str(line["metric"]), str(line["perturbation"]))
        grouped.setdefault(key, {})[str(line["model"])] = line
    return grouped


def _paint(row: Row) -> list[Any]:
    cells = [
        [cell.text, cell.sign, cell.small, int(cell.best), cell.mark, cell.title, cell.partial]
        for cell in row.cells
    ]
    return [cells, row.floor, row.ceiling, row.skill, row.undefined, row.n, int(row.track)]


def _board(run: Run, records: Records, axis: str, perturbation: str) -> Board:
    """Build the board of an axis for one perturbation; rows and columns never depend on it."""
    lines = [(key, models) for key, models in records.items() if key[0] == axis]
    found = in_order([model for _, models in lines for model in models])
    columns = [run.model, *(name for name in found if name != run.model and VERSUS not in name)]
    metrics = in_order([key[1] for key, _ in lines])
    rows = [
        row_of(metric, records.get((axis, metric, perturbation), {}), columns) for metric in metrics
    ]
    return Board(axis, QUESTIONS[axis], tuple(columns), tuple(rows))
