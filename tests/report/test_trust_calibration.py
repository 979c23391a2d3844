from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gpjepa.report.run import read_run
from gpjepa.report.tables import values_of
from gpjepa.report.trust_calibration import (
    coverage_panel,
    effect_pit_panel,
    population_pit_panel,
)
from gpjepa.report.trust_panel import BOTTOM, LEFT, RIGHT, TOP, curve_of

TWELVE = tuple(f"G{index}+H{index}" for index in range(12))


def _path(picture: str, css: str) -> list[tuple[float, float]]:
    """Return the points of the path with a class."""
    path = picture.split(f'class="{css}" d="M')[1].split('"')[0]
    return [tuple(map(float, point.split())) for point in path.split("L")]  # type: ignore[misc]


def test_the_line_of_coverage_is_that_of_the_file(run_folder: Path) -> None:
    run = read_run(run_folder)
    panel = coverage_panel(run)
    drawn = np.array(_path(panel.picture, "curve model"))
    rows = curve_of(run, "coverage")["all"]
    share = (drawn[1:, 0] - LEFT) / (RIGHT - LEFT)
    held = (drawn[1:, 1] - BOTTOM) / (TOP - BOTTOM)
    np.testing.assert_allclose(share, values_of(rows, "x"), atol=4e-4)
    np.testing.assert_allclose(held, values_of(rows, "value"), atol=4e-4)
    assert "8 perturbations, too few to cut by size" in panel.facts
    assert 'class="band model"' in panel.picture


def test_thirds_are_drawn_where_there_are_enough_perturbations(
    make_run: Callable[..., Path],
) -> None:
    panel = coverage_panel(read_run(make_run(doubles=TWELVE)))
    assert [css for css, _ in panel.legend] == ["model", "large", "medium", "small", "moved"]
    for css in ("model", "large", "medium", "small", "moved"):
        assert panel.picture.count(f'class="curve {css}"') == 1
    assert "too few" not in panel.facts


def test_few_perturbations_are_not_drawn(make_run: Callable[..., Path]) -> None:
    run = read_run(make_run(doubles=("A+B", "C+D"), singles=("E",)))
    for panel in (coverage_panel(run), effect_pit_panel(run)):
        assert "3 held-out perturbations would draw little but chance; it takes 5" in panel.reason
        assert panel.picture == ""


def test_a_run_that_recorded_nothing_says_what_to_run(make_run: Callable[..., Path]) -> None:
    run = read_run(make_run(uncertainty=False))
    assert "run `gpjepa evaluate`" in coverage_panel(run).reason
    assert "run `gpjepa evaluate`" in effect_pit_panel(run).reason
    assert "no held-out perturbation differs" in population_pit_panel(run).reason


def test_the_pit_of_effects_has_its_whiskers_and_its_distance(run_folder: Path) -> None:
    panel = effect_pit_panel(read_run(run_folder))
    assert "distance from flat 0.060" in panel.facts
    assert panel.picture.count('class="whisker"') == 1
    assert panel.picture.split('class="steps observed" d="')[1].split('"')[0].count("H") == 10


def test_populations_are_drawn_beside_control_and_replicate(run_folder: Path) -> None:
    panel = population_pit_panel(read_run(run_folder))
    assert [css for css, _ in panel.legend] == ["predicted", "control", "replicate"]
    for css in ("predicted", "control", "replicate"):
        assert panel.picture.count(f'class="steps {css}"') == 1
    assert "whisker" not in panel.picture
