from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from gpjepa.report.effect_panels import effects_of, panel_groups
from gpjepa.report.run import read_run


def test_conditions_are_grouped_by_how_they_were_held_out_and_sorted_by_size(
    run_folder: Path,
) -> None:
    run = read_run(run_folder)
    groups = panel_groups(run)
    assert [len(group.panels) for group in groups] == [5, 3]
    assert groups[0].title.startswith("Combinations never measured; both members")
    sizes = [
        float((effects_of(run.effects, panel.perturbation).observed ** 2).sum())
        for panel in groups[0].panels
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_the_score_in_the_caption_is_that_of_the_scoreboard(run_folder: Path) -> None:
    run = read_run(run_folder)
    panel = panel_groups(run)[0].panels[0]
    table = run.metrics[run.metrics["metric"] == "pearson_delta"]
    own = table[table["perturbation"] == panel.perturbation].set_index("model")["value"]
    assert panel.facts == (
        f"Pearson Δ {own['gpjepa']:.3f}, additive {own['additive']:.3f} · 39 genes"
    )


def test_an_exact_prediction_lies_on_the_diagonal(make_run: Callable[..., Path]) -> None:
    run = make_run(doubles=("A+B",), singles=())
    path = run / "evaluation" / "effects.csv"
    table = pd.read_csv(path)
    table["predicted"] = table["observed"]
    table.to_csv(path, index=False)
    panel = panel_groups(read_run(run))[0].panels[0]
    across = (panel.points.x - 46) / (272 - 46)
    up = (234 - panel.points.y) / (234 - 10)
    np.testing.assert_allclose(across, up, atol=1e-9)


def test_a_single_perturbation_has_no_additive_series(run_folder: Path) -> None:
    singles = panel_groups(read_run(run_folder))[1].panels
    assert "additive" not in singles[0].facts
    assert 'class="dot additive"' not in singles[0].picture
    assert "additive" not in singles[0].points.columns


def test_missing_values_leave_gaps_and_no_error(make_run: Callable[..., Path]) -> None:
    run = make_run(doubles=("A+B",), singles=("C",))
    path = run / "evaluation" / "effects.csv"
    table = pd.read_csv(path)
    table.loc[table["perturbation"] == "C", ["observed", "predicted"]] = np.nan
    table.loc[3, "predicted"] = np.inf
    table.to_csv(path, index=False)
    groups = panel_groups(read_run(run))
    assert groups[1].panels[0].points.document()["columns"].get("predicted") is None
    assert "nan" not in groups[0].panels[0].picture
    assert "inf" not in groups[0].panels[0].picture


def test_many_genes_are_thinned_but_counted(make_run: Callable[..., Path]) -> None:
    run = make_run(
        doubles=tuple(f"A{index}+B" for index in range(50)),
        singles=(),
        genes=tuple(f"G{index}" for index in range(1000)),
    )
    panel = panel_groups(read_run(run))[0].panels[0]
    assert panel.facts.endswith("1000 genes")
    assert len(panel.points.labels) == 800


def test_a_condition_that_was_not_scored_says_so(make_run: Callable[..., Path]) -> None:
    run = make_run(doubles=("A+B",), singles=("C",))
    path = run / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    table[table["perturbation"] != "C"].to_csv(path, index=False)
    panel = panel_groups(read_run(run))[1].panels[0]
    assert panel.facts == "not scored · 39 genes"
