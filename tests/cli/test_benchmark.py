from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpjepa.core.errors import ConfigError

WHERE = "gpjepa.benchmark.run.run_benchmarks"
ROW = {
    "group": "doubles",
    "metric": "l2_over_additive",
    "model": "gpjepa",
    "mean": 0.51234567,
    "sd": 0.01,
    "floor": None,
    "ceiling": None,
    "n": 5,
    "seeds": 2,
    "values": {"0": 0.5, "1": 0.52},
}
DOCUMENT = {
    "benchmark": "norman-effects",
    "title": "doubles",
    "simulated": False,
    "seeds": 2,
    "seconds": 9.5,
    "jobs": [{"part": "p", "seed": seed, "seconds": 4.7, "cached": not seed} for seed in (0, 1)],
    "table": [ROW],
}
FOUND = {"benchmarks": [DOCUMENT], "seeds": 2, "workers": 1, "seconds": 5.0}


def test_name_seeds_settings_workers_and_device_reach_the_benchmark(
    command: Any, replace: Any
) -> None:
    calls = replace(WHERE, FOUND)
    more = ("--set", "fit.epochs=3", "--device", "cpu", "--workers", 2, "--no-cache")
    more = (*more, "--only", "interactions", "--only", "no JEPA")
    done = command("benchmark", "norman-effects", "--seeds", 2, *more)
    assert done.code == 0, done.err
    (call,) = calls
    assert (call["names"], call["seeds"], call["device"]) == (["norman-effects"], 2, "cpu")
    assert (call["config"].fit.epochs, call["workers"], call["cache"]) == (3, 2, None)
    assert call["only"] == ["interactions", "no JEPA"]


def test_scores_are_a_table_below_title_time_and_what_was_cached(
    command: Any, replace: Any
) -> None:
    replace(WHERE, FOUND)
    first, head, row = command("benchmark", "norman-effects", "--seeds", 2).out.splitlines()
    assert first == ("norman-effects: doubles; 2 seeds, 9.5 s of one core, 1 of 2 results cached")
    assert head.split() == ["group", "score", "gpjepa", "floor", "ceiling", "n"]
    assert row.split() == ["doubles", "l2_over_additive", "0.512", "±", "0.010", "-", "-", "5"]


def test_differences_from_the_full_model_stand_beside_and_are_explained(
    command: Any, replace: Any
) -> None:
    rows = [ROW | {"model": name} for name in ("full model", "no JEPA")]
    paired = ROW | {"model": "no JEPA", "difference": 0.1, "low": 0.05, "high": 0.2}
    more = {"models": ["full model", "no JEPA"], "reference": "full model", "paired": [paired]}
    document = DOCUMENT | {"benchmark": "ablations", "table": rows} | more
    replace(WHERE, FOUND | {"benchmarks": [document]})
    _, head, full, less, legend = command("benchmark", "ablations").out.splitlines()
    assert head.split()[:2] == ["model", "doubles:"]
    assert full.split() == ["full", "model", "0.512"]
    assert less.split()[2:] == ["0.512", "(+0.100", "[+0.050,", "+0.200])"]
    assert "from full model" in legend


def test_json_holds_the_whole_document(command: Any, replace: Any) -> None:
    replace(WHERE, FOUND)
    assert json.loads(command("benchmark", "norman-effects", "--json").out) == FOUND


def test_the_table_of_a_kept_document_is_that_of_the_run(
    command: Any, replace: Any, tmp_path: Path
) -> None:
    calls = replace(WHERE, FOUND)
    run = command("benchmark", "all", "--markdown").out
    kept = tmp_path / "found.json"
    kept.write_text(json.dumps(FOUND))
    assert command("benchmark", "table", "--from", kept).out == run
    assert "| norman-effects | doubles |" in run
    assert [call["names"] for call in calls] == [["all"]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, "No such file"), ("", "Expecting value"), ("[1]", "it has no benchmarks")],
)
def test_a_file_that_holds_no_results_is_named(
    command: Any, tmp_path: Path, text: str | None, reason: str
) -> None:
    kept = tmp_path / "found.json"
    if text is not None:
        kept.write_text(text)
    done = command("benchmark", "table", "--from", kept)
    assert done.code != 0
    assert "cannot be read as results" in done.err
    assert reason in done.err


def test_results_are_kept_where_told_and_progress_is_not_on_stdout(
    command: Any, replace: Any, tmp_path: Path
) -> None:
    calls = replace(WHERE, FOUND)
    command("benchmark", "all", "--cache", tmp_path)
    (call,) = calls
    assert call["cache"].folder == tmp_path
    assert call["seeds"] == 3
    call["tell"]("one of two")


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
