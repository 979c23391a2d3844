from __future__ import annotations

from typing import Any

import pytest

from gpjepa.report.score_rows import CEILING_AT, FLOOR_AT, row_of

MODELS = ["gpjepa", "additive", "no change"]


def line(value: float, **more: float) -> dict[str, Any]:
    return {"value": value, "floor": 0.1, "ceiling": 0.7, "skill": 0.5, "n": 8.0} | more


def lines(first: float, second: float, third: float) -> dict[str, dict[str, Any]]:
    return dict(zip(MODELS, (line(first), line(second), line(third)), strict=True))


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("pearson_delta", (0.6, 0.5, 0.1), [True, False, False]),
        ("l2", (0.6, 0.5, 0.9), [False, True, False]),
        ("slope", (1.3, 0.9, 0.2), [False, True, False]),
        ("pearson_delta", (0.6, 0.6, 0.1), [True, True, False]),
        ("pearson_delta", (0.5, 0.5, 0.5), [False, False, False]),
        ("pearson_delta", (0.1, 0.1 + 0.2, 0.3), [False, True, True]),
        ("pearson_delta", (float("nan"), 0.2, 0.1), [False, True, False]),
    ],
)
def test_the_best_of_a_row_follows_the_metrics_direction(
    metric: str, values: tuple[float, float, float], best: list[bool]
) -> None:
    assert [cell.best for cell in row_of(metric, lines(*values), MODELS).cells] == best


def test_a_mean_over_other_perturbations_is_marked_and_never_the_best() -> None:
    rows = lines(0.6, 0.5, 0.1) | {"additive": line(0.9, n=5.0)}
    row = row_of("pearson_delta", rows, MODELS)
    assert [cell.partial for cell in row.cells] == ["", "only 5", ""]
    assert [cell.best for cell in row.cells] == [True, False, False]


def test_a_score_at_floor_or_ceiling_stands_on_its_line() -> None:
    row = row_of("pearson_delta", lines(0.7, 0.1, -9.0), MODELS)
    assert [cell.mark for cell in row.cells] == [CEILING_AT, FLOOR_AT, 1.5]
    down = {name: one | {"floor": 1.0, "ceiling": 0.4} for name, one in lines(0.4, 1, 9).items()}
    assert [cell.mark for cell in row_of("l2", down, MODELS).cells] == [CEILING_AT, FLOOR_AT, 1.5]


def test_a_ceiling_that_is_not_above_the_floor_gives_no_track_and_no_skill() -> None:
    rows = {"gpjepa": line(0.2, floor=0.3, ceiling=0.3, skill=float("nan"))}
    row = row_of("pearson_delta", rows, ["gpjepa"])
    assert (row.track, row.skill, row.cells[0].mark) == (False, "undefined", None)


def test_skills_left_out_of_a_mean_are_counted() -> None:
    row = row_of("pearson_delta", {"gpjepa": line(0.2, undefined=3.0)}, ["gpjepa"])
    assert (row.skill, row.undefined) == ("0.500", "3 undefined")


def test_without_bounds_the_skill_is_unknown_rather_than_undefined() -> None:
    row = row_of("pearson_delta", {"gpjepa": {"value": 0.2}}, ["gpjepa"])
    assert (row.skill, row.floor, row.n) == ("–", "–", "–")


def test_the_direction_of_an_unknown_metric_is_taken_from_its_bounds() -> None:
    assert row_of("mine", lines(0.6, 0.5, 0.1), MODELS).cells[0].best
    down = {
        name: one | {"floor": 1.0, "ceiling": 0.2} for name, one in lines(0.6, 0.5, 0.1).items()
    }
    assert row_of("mine", down, MODELS).cells[2].best


def test_a_rival_carries_the_paired_difference() -> None:
    rows = lines(0.6, 0.5, 0.1) | {
        "gpjepa − no change": {"value": 0.5, "low": 0.3, "high": 0.6},
        "gpjepa − additive": {"value": 0.1, "low": -0.1, "high": 0.2},
    }
    cells = row_of("pearson_delta", rows, MODELS).cells
    assert [cell.sign for cell in cells] == ["", "", "▽"]
    assert "cannot be told apart" in cells[1].title


def test_a_model_without_a_row_gets_a_dash() -> None:
    row = row_of("pearson_delta", {}, MODELS)
    assert [cell.text for cell in row.cells] == ["–"] * 3


@pytest.mark.parametrize(
    ("metric", "extra"),
    [("pearson_delta", False), ("pearson_delta_de20", False), ("pearson_perturbed", False),
     ("coverage_90", False), ("overlap_20", False), ("energy_distance", False),
     ("pearson_delta_de100", True), ("r2_delta", True), ("de_recall", True),
     ("pearson_perturbed_de20", True), ("coverage_50", True)],
)  # fmt: skip
def test_variants_wait_until_they_are_asked_for(metric: str, extra: bool) -> None:
    assert row_of(metric, {}, MODELS).extra is extra
