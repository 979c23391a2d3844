from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gpjepa.report.run import read_run
from gpjepa.report.trust_errors import risk_panel, width_panel


def test_the_oracle_lies_below_every_other_order(run_folder: Path) -> None:
    panel = risk_panel(read_run(run_folder))
    assert [css for css, _ in panel.legend] == ["model", "moved", "large", "small"]

    def heights(css: str) -> np.ndarray:
        path = panel.picture.split(f'class="curve {css}" d="M')[1].split('"')[0]
        return np.array([float(point.split()[1]) for point in path.split("L")])

    oracle = heights("large")
    for css in ("model", "moved", "small"):
        assert (heights(css) <= oracle + 0.1).all()  # pixels run downwards
    assert np.ptp(heights("small")) == 0


def test_the_skill_of_each_order_is_told(run_folder: Path) -> None:
    facts = risk_panel(read_run(run_folder)).facts
    assert "error bars 0.40, novelty 0.20 of the way from chance to the oracle" in facts


def test_seven_perturbations_have_dots_and_no_order(make_run: Callable[..., Path]) -> None:
    run = read_run(make_run(doubles=tuple(f"A{i}+B{i}" for i in range(7)), singles=()))
    assert "7 held-out perturbations would draw little but chance; it takes 8" in (
        risk_panel(run).reason
    )
    assert "7 perturbations" in width_panel(run).facts


def test_four_perturbations_have_neither(make_run: Callable[..., Path]) -> None:
    run = read_run(make_run(doubles=(), singles=("A", "B", "C", "D")))
    assert risk_panel(run).picture == width_panel(run).picture == ""
    assert "it takes 5" in width_panel(run).reason


def test_dots_carry_their_verdict_and_what_the_file_says_of_them(run_folder: Path) -> None:
    run = read_run(run_folder)
    panel = width_panel(run)
    assert panel.legend == (("good", "use the model"), ("poor", "do not trust"))
    assert panel.points is not None
    document = panel.points.document()
    rows = pd.read_csv(run_folder / "evaluation" / "curves.csv")
    rows = rows[rows["curve"] == "width"]
    assert document["label"] == list(rows["label"])
    assert document["columns"]["error in fact"] == pytest.approx(list(rows["value"]), rel=1e-3)
    assert "rank correlation 0.610 (0.59 to 0.63)" in panel.facts
