from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from gpjepa.report.run import AXES, read_run
from gpjepa.report.scoreboard import boards, choices, details, general_notes, model_notes


def test_there_is_a_board_per_axis_with_the_model_first(run_folder: Path) -> None:
    found = boards(read_run(run_folder))
    assert tuple(board.axis for board in found) == AXES
    assert [board.models[0] for board in found] == ["gpjepa"] * 3
    assert set(found[1].models) == {"gpjepa", "PCA", "HVG", "no change"}


def test_differences_between_models_are_no_model(run_folder: Path) -> None:
    assert not [name for board in boards(read_run(run_folder)) for name in board.models if
                "−" in name]  # fmt: skip


def test_the_mean_then_groups_then_perturbations_can_be_chosen(
    make_run: Callable[..., Path],
) -> None:
    run = make_run(singles=("FOXO4",), doubles=("A+B",))
    path = run / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    extra = table.iloc[[0]].assign(perturbation="not responding")
    pd.concat([extra, table]).to_csv(path, index=False)
    assert choices(read_run(run)) == ["all", "not responding", "A+B", "FOXO4"]


def test_what_is_painted_for_the_mean_is_what_the_page_shows(run_folder: Path) -> None:
    run = read_run(run_folder)
    shown = [[cell.text for cell in row.cells] for board in boards(run) for row in board.rows]
    assert [[cell[0] for cell in row[0]] for row in details(run)["all"]] == shown


def test_a_baseline_that_does_not_apply_has_a_dash(run_folder: Path) -> None:
    run = read_run(run_folder)
    models = boards(run)[0].models
    first_row = details(run)["FOXO4"][0][0]
    assert first_row[models.index("additive")][0] == "–"
    assert first_row[0][0] != "–"


def test_a_model_without_any_score_gets_no_column(make_run: Callable[..., Path]) -> None:
    run = make_run()
    path = run / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    table.loc[table["model"] == "linear", "value"] = float("nan")
    table.to_csv(path, index=False)
    assert "linear" not in boards(read_run(run))[0].models
    assert "strong" in boards(read_run(run))[0].models


def test_notes_stand_where_they_belong(make_run: Callable[..., Path]) -> None:
    run = make_run()
    summary = run / "evaluation" / "summary.json"
    notes = ["effective_rank: 26 of 32", "linear: not fitted", "library: the cell's total"]
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"notes": notes}))
    loaded = read_run(run)
    rows = {row.metric: row.note for board in boards(loaded) for row in board.rows}
    assert {metric: note for metric, note in rows.items() if note} == {"effective_rank": "26 of 32"}
    assert model_notes(loaded) == ["linear: not fitted"]
    assert general_notes(loaded) == ["library: the cell's total"]


def test_baselines_on_all_cells_are_told_in_the_row_and_are_no_column(
    make_run: Callable[..., Path],
) -> None:
    run = make_run()
    path = run / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    more = table[(table["model"] == "gpjepa") & (table["metric"] == "l2")]
    more = more.assign(model="additive, all cells", value=2.5)
    pd.concat([table, more]).to_csv(path, index=False)
    board = boards(read_run(run))[0]
    assert "additive, all cells" not in board.models
    (row,) = [row for row in board.rows if row.metric == "l2"]
    assert "additive, all cells 2.5" in row.note
