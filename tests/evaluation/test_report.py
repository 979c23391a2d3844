"""What the report says first, which baseline it holds against the model, and its JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd

from gpjepa.evaluation.report import EvaluationReport
from gpjepa.evaluation.report_table import COLUMNS


def _report(missing: tuple[str, ...] = ("representation",)) -> EvaluationReport:
    def row(metric: str, model: str, value: float, n: int = 4, **more: float) -> dict[str, object]:
        plain = dict.fromkeys(COLUMNS, np.nan)
        axis = "effect" if metric in ("pearson_delta", "l2") else "generative"
        told = {"axis": axis, "metric": metric, "perturbation": "all", "model": model}
        return plain | told | {"value": value, "n": n, "undefined": 1} | more

    rows = [
        row("pearson_delta", "ours", 0.5, low=0.4, high=0.6, floor=0.1, ceiling=0.6, skill=0.8),
        row("pearson_delta", "mean", 0.3),
        row("pearson_delta", "additive", 0.9, n=2),
        row("pearson_delta", "ours − mean", 0.2, low=0.1, high=0.3),
        row("pearson_delta", "ours − additive", -0.3, n=2),
        row("l2", "ours", 2.0, skill=0.4),
        row("l2", "ours − mean", -0.5),
        row("l2", "ours − linear", 0.1),
        row("energy_distance", "ours", math.inf, n=0),
    ]
    table = pd.DataFrame(rows)[list(COLUMNS)]
    return EvaluationReport(table, "ours", missing, 4, 39, ("a note",))


def test_the_first_line_names_an_axis_that_was_not_supplied() -> None:
    line = _report().headline().splitlines()[0]
    assert line == (
        "effect: scored, representation: not supplied, generative: scored "
        "(4 perturbations, 39 genes)"
    )


def test_the_best_baseline_is_the_one_with_the_best_paired_difference() -> None:
    assert _report().best_baseline("pearson_delta") == "mean"
    assert _report().best_baseline("l2") == "linear"
    assert _report().best_baseline("slope") is None


def test_headline_sets_the_model_beside_baseline_and_bounds() -> None:
    line = _report().headline().splitlines()[1]
    assert line == (
        "pearson_delta: 0.500 [0.400, 0.600]; best baseline mean 0.300, difference 0.200 "
        "[0.100, 0.300]; floor 0.100, replicate 0.600; skill 0.80 (n 4, undefined 1)"
    )
    assert "nothing to average" in _report().headline().splitlines()[-1]


def test_a_missing_axis_counts_as_worst_in_totals() -> None:
    totals = _report().totals()
    assert totals["effect"] == np.mean([0.8, 0.4])
    assert totals["representation"] == -math.inf


def test_json_has_no_nan_and_keeps_infinities_apart() -> None:
    document = _report().to_json()
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert document["missing_axes"] == ["representation"]
    assert document["totals"]["representation"] == "-inf"
    assert document["table"][-1]["value"] == "inf"
    assert document["table"][0]["low"] == 0.4
    assert document["table"][1]["low"] is None


def test_curves_are_kept_in_order_and_empty_ones_add_nothing() -> None:
    report = EvaluationReport(pd.DataFrame(), "ours", (), 1, 1, ())
    first = pd.DataFrame({"curve": ["risk"], "x": [0.5]})
    second = pd.DataFrame({"curve": ["width"], "x": [0.1]})
    shown = report.showing([first, pd.DataFrame(), second])
    assert list(shown.curves["curve"]) == ["risk", "width"]
    assert report.showing([pd.DataFrame()]).curves.empty
