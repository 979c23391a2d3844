from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpjepa.report.plan_figures import cells_to_the_goal, convergence, legend_of
from gpjepa.report.plan_file import Plan, read_plans


@pytest.fixture(scope="module")
def plan(run_folder: Path) -> Plan:
    return read_plans(run_folder)[0]


def changed(plan: Plan, **parts: Any) -> Plan:
    return replace(plan, document=plan.document | parts)


def path_of(picture: str, css: str) -> np.ndarray:
    (found,) = re.findall(rf'<path class="{css}" d="([^"]+)"', picture)
    return np.array([float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", found)]).reshape(-1, 2)


def test_a_planner_keeps_its_best_energy_until_it_finds_a_better_one(plan: Plan) -> None:
    drawn = convergence(changed(plan, traces={"cem": [[10, 3.0], [20, 1.0], [40, 0.5]]}))
    stairs = path_of(drawn, "curve planner cem")
    assert len(stairs) == 6
    assert stairs[0, 1] == stairs[1, 1] < stairs[2, 1] == stairs[3, 1] < stairs[4, 1]
    assert stairs[1, 0] == stairs[2, 0] > stairs[0, 0]


def test_every_planner_that_found_something_is_drawn_and_named(plan: Plan) -> None:
    traces = {"cem": [[1, 2.0]], "random": [[1, 2.0], [9, 1.0]], "greedy": [[3, None]]}
    drawn = changed(plan, traces=traces)
    assert [words for _, words in legend_of(drawn)] == ["cross-entropy", "random"]
    assert convergence(drawn).count("curve planner") == 2
    assert convergence(changed(plan, traces={})) == ""


def test_cells_of_each_kind_and_means_lie_where_the_plan_says(plan: Plan) -> None:
    picture, points = cells_to_the_goal(plan)
    assert picture.count("dot cell") == 3
    assert points is not None
    means = plan.document["map"]["means"]
    assert list(points.labels) == [mean[1] for mean in means]
    across = np.array([mean[2] for mean in means])
    up = np.array([mean[3] for mean in means])
    assert np.corrcoef(points.x, across)[0, 1] == pytest.approx(1)
    assert np.corrcoef(points.y, up)[0, 1] == pytest.approx(-1)  # pixels go down
    unit = np.ptp(points.x) / np.ptp(across)
    assert np.ptp(points.y) / np.ptp(up) == pytest.approx(unit)  # one unit on both axes
    assert "from control towards the goal (41% of the variance)" in picture


def test_a_plan_without_cells_has_no_map(plan: Plan) -> None:
    assert cells_to_the_goal(changed(plan, map={})) == ("", None)
