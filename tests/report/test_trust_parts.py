from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from gpjepa.report.run import read_run
from gpjepa.report.trust_parts import MOST, responders_panel, spread_panel


def test_the_parts_of_a_bar_fill_it_in_the_proportion_of_the_file(run_folder: Path) -> None:
    run = read_run(run_folder)
    panel = spread_panel(run)
    rectangles = panel.picture.split("<rect ")[1:]
    assert len(rectangles) == 4 * 8
    width = [float(text.split('width="')[1].split('"')[0]) for text in rectangles[:4]]
    share = run.spread["share"].to_numpy()[:4]
    np.testing.assert_allclose(np.array(width) / sum(width), share, atol=2e-3)
    assert [css for css, _ in panel.legend] == ["library", "start", "latent", "noise"]
    latent = run.spread.loc[run.spread["source"] == "latent", "share"].median()
    assert f"latent: {latent:.3f}" in panel.facts


def test_many_perturbations_are_cut_and_it_says_so(make_run: Callable[..., Path]) -> None:
    run = read_run(make_run(doubles=tuple(f"A{i}+B{i}" for i in range(30)), singles=()))
    assert f"{MOST} of 30 drawn" in spread_panel(run).facts
    assert f"{MOST} of 30 drawn" in responders_panel(run).facts


def test_what_was_not_recorded_is_said(make_run: Callable[..., Path]) -> None:
    run = read_run(make_run(uncertainty=False))
    assert "Not recorded" in spread_panel(run).reason
    assert "no mixture of responders" in responders_panel(run).reason


def test_shares_of_responders_stand_at_their_place(run_folder: Path) -> None:
    panel = responders_panel(read_run(run_folder))
    rows = pd.read_csv(run_folder / "evaluation" / "responders.csv")
    assert panel.points is not None
    pixels = panel.points.x
    slope = np.diff(pixels) / np.diff(rows["fraction"])
    np.testing.assert_allclose(slope, slope[0])
    assert panel.points.labels == list(rows["perturbation"])
    assert f"median {rows['fraction'].median():.3f}" in panel.facts
