from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from gpjepa.report.run import AXES, read_run
from gpjepa.report.scoreboard import boards, choices, details


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
