from __future__ import annotations

import json
from typing import Any

import pytest

from gpjepa.core.errors import ConfigError

WHERE = "gpjepa.benchmark.run.run_benchmark"
ROW = {
    "group": "doubles",
    "metric": "slope",
    "model": "gpjepa",
    "mean": 0.51234567,
    "sd": 0.01,
    "ceiling": None,
    "seeds": 2,
}
FOUND = {"benchmark": "norman-k562", "title": "doubles", "seeds": 2, "seconds": 9.5, "table": [ROW]}


def test_name_seeds_settings_and_device_reach_the_benchmark(command: Any, replace: Any) -> None:
    calls = replace(WHERE, FOUND)
    done = command(
        "benchmark", "norman-k562", "--seeds", 2, "--set", "fit.epochs=3", "--device", "cpu"
    )
    assert done.code == 0, done.err
    (call,) = calls
    assert (call["name"], call["seeds"], call["device"]) == ("norman-k562", 2, "cpu")
    assert call["config"].fit.epochs == 3


def test_scores_are_a_table_below_the_title(command: Any, replace: Any) -> None:
    replace(WHERE, FOUND)
    first, head, row = command("benchmark", "norman-k562", "--seeds", 2).out.splitlines()
    assert first == "norman-k562: doubles; 2 seeds, 9.5 s"
    assert head.split() == list(ROW)
    assert row.split() == ["doubles", "slope", "gpjepa", "0.5123", "0.01", "-", "2"]


def test_json_holds_the_whole_document(command: Any, replace: Any) -> None:
    replace(WHERE, FOUND)
    assert json.loads(command("benchmark", "norman-k562", "--json").out) == FOUND


def test_three_seeds_are_run_unless_told(command: Any, replace: Any) -> None:
    calls = replace(WHERE, FOUND)
    command("benchmark", "kang-pbmc")
    assert calls[0]["seeds"] == 3


def test_an_unknown_benchmark_is_a_usage_error_and_keeps_the_suggestion(
    command: Any, replace: Any
) -> None:
    replace(WHERE, ConfigError("benchmark 'kang' is not known (closest: 'kang-pbmc')"))
    done = command("benchmark", "kang")
    assert done.code == 2
    assert "closest: 'kang-pbmc'" in done.err


@pytest.mark.parametrize("arguments", [[], ["kang-pbmc", "--seeds", "0"]])
def test_a_call_without_a_name_or_a_seed_is_a_usage_error(
    command: Any, replace: Any, arguments: list[str]
) -> None:
    calls = replace(WHERE, FOUND)
    assert command("benchmark", *arguments).code == 2
    assert calls == []
