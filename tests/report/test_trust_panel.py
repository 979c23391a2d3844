from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gpjepa.report.run import read_run
from gpjepa.report.trust_panel import (
    Text,
    curve_of,
    perturbations_in,
    score_of,
    too_few,
    without,
)

TEXT = Text("key", "Title", "Look here.", "Not like this.")


def test_a_panel_without_a_picture_says_why() -> None:
    panel = without(TEXT, "Nothing was measured.")
    assert (panel.picture, panel.reason) == ("", "Nothing was measured.")


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "1 held-out perturbation would"),
        (4, "4 held-out perturbations would"),
        (0, "Not recorded"),
    ],
)
def test_too_few_perturbations_are_counted_and_nothing_is_drawn(count: int, words: str) -> None:
    panel = too_few(TEXT, count, 5)
    assert words in panel.reason
    assert panel.picture == ""


def test_series_of_a_curve_keep_their_order_and_their_number(run_folder: Path) -> None:
    found = curve_of(read_run(run_folder), "coverage")
    assert list(found) == ["all", "moved"]
    assert perturbations_in(found["all"]) == 8
    assert (np.diff(found["all"]["x"]) > 0).all()
    assert curve_of(read_run(run_folder), "no such curve") == {}


def test_a_score_is_the_models_over_all_perturbations(run_folder: Path) -> None:
    run = read_run(run_folder)
    assert score_of(run, "spearman_sd_error") == 0.61
    assert score_of(run, "spearman_sd_error", "high") == pytest.approx(0.63)
    assert np.isnan(score_of(run, "no_such_metric"))


def test_an_older_run_has_no_curves(make_run: Callable[..., Path]) -> None:
    assert curve_of(read_run(make_run(uncertainty=False)), "coverage") == {}
