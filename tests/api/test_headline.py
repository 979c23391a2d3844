from __future__ import annotations

from types import SimpleNamespace

import pandas
import pytest

from gpjepa.api.headline import headline_rows


def report(rows) -> SimpleNamespace:
    columns = ["metric", "perturbation", "model", "value", "ceiling", "n"]
    return SimpleNamespace(table=pandas.DataFrame(rows, columns=columns), name="gpjepa")


def per(metric: str, model: str, values: dict[str, float], ceiling: float = 0.9):
    return [(metric, label, model, value, ceiling, 50) for label, value in values.items()]


GROUPS = {"A+B": "double", "C+D": "double", "E": "single"}


def test_each_group_is_compared_with_its_own_best_baseline() -> None:
    rows = [
        *per("pearson_delta", "gpjepa", {"A+B": 0.8, "C+D": 0.6, "E": 0.1}),
        *per("pearson_delta", "additive", {"A+B": 0.7, "C+D": 0.5, "E": float("nan")}),
        *per("pearson_delta", "mean", {"A+B": 0.2, "C+D": 0.2, "E": 0.4}),
    ]
    found = {row["group"]: row for row in headline_rows(report(rows), GROUPS)}
    assert found["double"]["model"] == pytest.approx(0.7)
    assert found["double"]["best_baseline_name"] == "additive"
    assert found["double"]["best_baseline"] == pytest.approx(0.6)
    assert found["double"]["ceiling"] == pytest.approx(0.9)
    assert found["double"]["won"] is True
    assert found["single"]["best_baseline_name"] == "mean"
    assert found["single"]["won"] is False


def test_a_slope_is_judged_by_its_distance_from_one() -> None:
    rows = [
        *per("slope", "gpjepa", {"A+B": 1.3, "C+D": 1.3}),
        *per("slope", "additive", {"A+B": 0.8, "C+D": 0.8}),
    ]
    (found,) = headline_rows(report(rows), {"A+B": "double", "C+D": "double"})
    assert found["won"] is False
    assert found["best_baseline_name"] == "additive"


def test_a_lower_distance_wins() -> None:
    rows = [
        *per("l2", "gpjepa", {"A+B": 1.0}),
        *per("l2", "no change", {"A+B": 2.0}),
        ("energy_distance", "all", "gpjepa", 3.0, 0.5, 1),
        ("energy_distance", "all", "strong", 2.0, 0.5, 1),
    ]
    found = {row["metric"]: row for row in headline_rows(report(rows), {"A+B": "double"})}
    assert found["l2"]["won"] is True
    assert found["energy_distance"]["won"] is False
    assert found["energy_distance"]["group"] == "all"


def test_without_a_baseline_nothing_is_won_or_lost() -> None:
    rows = per("l2", "gpjepa", {"A+B": 1.0})
    (found,) = headline_rows(report(rows), {"A+B": "double"})
    assert (found["best_baseline"], found["best_baseline_name"], found["won"]) == (None,) * 3


def test_paired_differences_are_no_rivals() -> None:
    rows = [
        *per("l2", "gpjepa", {"A+B": 1.0}),
        *per("l2", "gpjepa − additive", {"A+B": -9.0}),
    ]
    (found,) = headline_rows(report(rows), {"A+B": "double"})
    assert found["best_baseline_name"] is None


def test_a_metric_that_was_not_scored_has_no_row() -> None:
    rows = per("l2", "gpjepa", {"A+B": float("nan")})
    assert headline_rows(report(rows), {"A+B": "double"}) == []
