"""The scoreboard: metrics as rows, models as columns, floor and ceiling beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpjepa.evaluation.interaction_rows import ALL_CELLS
from gpjepa.report.numbers import finite, number
from gpjepa.report.run import AXES, VERSUS, Run
from gpjepa.report.score_rows import Row, row_of
from gpjepa.report.tables import in_order

ALL = "all"  # the mean over perturbations
QUESTIONS: Mapping[str, str] = {
    "effect": "Is the mean change of expression right?",
    "representation": "Does the latent space keep what distinguishes cells?",
    "generative": "Do the sampled cells look like the measured cells? "
    "Means are over the perturbations that respond.",
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


def notes_of(run: Run) -> dict[str, str]:
    """Return the notes of summary.json that begin with a metric or a model, by its name."""
    names = {str(name) for column in ("metric", "model") for name in run.metrics[column].tolist()}
    split = (note.partition(": ") for note in run.notes)
    return {name: words for name, colon, words in split if colon and name in names}


def model_notes(run: Run) -> list[str]:
    """Return the notes on baselines, such as what could not be fitted."""
    models = {str(name) for name in run.metrics["model"].tolist()}
    return [f"{name}: {words}" for name, words in notes_of(run).items() if name in models]


def general_notes(run: Run) -> list[str]:
    """Return the notes that are about neither a metric nor a model."""
    named = notes_of(run)
    return [note for note in run.notes if note.partition(": ")[0] not in named]


def _is_scored(model: str, line: dict[str, Any]) -> bool:
    """Return whether a line is a model's score, rather than a difference or an absence."""
    return VERSUS not in model and finite(line.get("value")) is not None


def _on_all_cells(by_model: dict[str, dict[str, Any]]) -> str:
    """Tell the scores of baselines that were fitted on all training cells, as the model was."""
    told = [
        f"{name} {number(finite(line.get('value')))}"
        for name, line in by_model.items()
        if name.endswith(ALL_CELLS) and _is_scored(name, line)
    ]
    return f"comparable with the model: {'; '.join(told)}" if told else ""


def _paint(row: Row) -> list[Any]:
    cells = [
        [cell.text, cell.sign, cell.small, int(cell.best), cell.mark, cell.title, cell.partial]
        for cell in row.cells
    ]
    return [cells, row.floor, row.ceiling, row.skill, row.undefined, row.n, int(row.track)]


def _board(run: Run, records: Records, axis: str, perturbation: str) -> Board:
    """Build the board of an axis for one perturbation; rows and columns never depend on it."""
    lines = [(key, models) for key, models in records.items() if key[0] == axis]
    found = in_order(
        [name for _, models in lines for name, line in models.items() if _is_scored(name, line)]
    )
    shown = [name for name in found if not name.endswith(ALL_CELLS)]
    columns = [run.model, *(name for name in shown if name != run.model)]
    notes = notes_of(run)
    rows = []
    for metric in in_order([key[1] for key, _ in lines]):
        by_model = records.get((axis, metric, perturbation), {})
        told = [notes.get(metric, ""), _on_all_cells(by_model)]
        rows.append(row_of(metric, by_model, columns, "; ".join(note for note in told if note)))
    return Board(axis, QUESTIONS[axis], tuple(columns), tuple(rows))
