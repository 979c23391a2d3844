from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RUN = "gpjepa.api.workflow.evaluate_run"
FILES = "gpjepa.api.workflow.evaluate_files"
ROW = {"axis": "effect", "metric": "pearson_delta", "model": "gpjepa", "value": 0.51234567}


def test_a_run_is_scored_on_its_own_held_out_cells(command: Any, replace: Any) -> None:
    calls = replace(RUN, {"table": []})
    assert command("evaluate", "run", "--out", "dir", "--data", "d.h5ad").code == 0
    (call,) = calls
    assert (call["run"], call["out"], call["data"]) == (Path("run"), Path("dir"), "d.h5ad")


def test_anyones_files_are_scored(command: Any, replace: Any) -> None:
    calls = replace(FILES, {"table": []})
    done = command("evaluate", "--predicted", "p.h5ad", "--observed", "o.h5ad", "--train", "t.h5ad")
    assert done.code == 0, done.err
    (call,) = calls
    assert (call["predicted"], call["observed"]) == (Path("p.h5ad"), Path("o.h5ad"))
    assert (call["train"], call["out"]) == (Path("t.h5ad"), None)


def test_the_means_are_printed_and_single_perturbations_left_to_the_files(
    command: Any, replace: Any
) -> None:
    rows = [{**ROW, "perturbation": "all"}, {**ROW, "perturbation": "A+B", "value": 0.9876}]
    replace(RUN, {"table": rows, "out": "run/evaluation"})
    out = command("evaluate", "run").out
    assert "pearson_delta  gpjepa  0.5123" in out
    assert "0.9876" not in out
    assert "run/evaluation" in out


def test_json_holds_every_row_at_full_precision(command: Any, replace: Any) -> None:
    rows = [{**ROW, "perturbation": "A+B"}]
    replace(RUN, {"table": rows})
    assert json.loads(command("evaluate", "run", "--json").out) == {"table": rows}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--predicted", "p.h5ad"],
        ["--observed", "o.h5ad"],
        ["run", "--predicted", "p.h5ad", "--observed", "o.h5ad"],
        ["run", "--train", "t.h5ad"],
        ["--data", "d.h5ad"],
    ],
)
def test_a_mixture_of_both_ways_is_a_usage_error(
    command: Any, replace: Any, arguments: list[str]
) -> None:
    calls = [replace(RUN, {}), replace(FILES, {})]
    done = command("evaluate", *arguments)
    assert (done.code, calls) == (2, [[], []])
    assert "--predicted and --observed" in done.err
