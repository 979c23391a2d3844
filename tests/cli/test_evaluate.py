from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RUN = "gpjepa.api.workflow.evaluate_run"
FILES = "gpjepa.api.workflow.evaluate_files"
ROW = {"axis": "effect", "metric": "pearson_delta", "model": "gpjepa", "value": 0.51234567}


def test_a_run_is_scored_on_its_own_held_out_cells(command: Any, replace: Any) -> None:
    calls = replace(RUN, {"headline": [], "notes": []})
    assert command("evaluate", "run", "--out", "dir", "--data", "d.h5ad").code == 0
    (call,) = calls
    assert (call["run"], call["out"], call["data"]) == (Path("run"), Path("dir"), "d.h5ad")


def test_anyones_files_are_scored(command: Any, replace: Any) -> None:
    calls = replace(FILES, {"headline": "", "notes": []})
    done = command("evaluate", "--predicted", "p.h5ad", "--observed", "o.h5ad", "--train", "t.h5ad")
    assert done.code == 0, done.err
    (call,) = calls
    assert (call["predicted"], call["observed"]) == (Path("p.h5ad"), Path("o.h5ad"))
    assert (call["train"], call["out"]) == (Path("t.h5ad"), None)


def test_the_headline_stands_beside_the_best_baseline(command: Any, replace: Any) -> None:
    row = {"metric": "slope", "model": 0.51234567, "best_baseline_name": "additive", "won": False}
    replace(RUN, {"headline": [row], "notes": ["few cells"], "evaluation": "run/evaluation"})
    done = command("evaluate", "run")
    assert done.out.splitlines() == [
        "metric  model   best_baseline_name  won",
        "slope   0.5123  additive            no",
        "evaluation  run/evaluation",
    ]
    assert done.err == "note: few cells\n"


def test_the_first_line_says_which_axes_were_supplied(command: Any, replace: Any) -> None:
    text = "effect: scored, representation: not supplied, generative: scored"
    replace(FILES, {"headline": text, "notes": [], "table": []})
    done = command("evaluate", "--predicted", "p.h5ad", "--observed", "o.h5ad")
    assert done.out == f"{text}\n"


def test_json_holds_every_row_at_full_precision(command: Any, replace: Any) -> None:
    rows = [{**ROW, "perturbation": "A+B"}]
    replace(RUN, {"table": rows})
    assert json.loads(command("evaluate", "run", "--json").out) == {"table": rows}


def test_metrics_are_asked_for_by_name_and_means_are_said_to_be_means(
    command: Any, replace: Any
) -> None:
    calls = replace(FILES, {"headline": "", "notes": []})
    files = ["--predicted", "p.h5ad", "--observed", "o.h5ad"]
    assert command("evaluate", *files).code == 0
    named = ["--metric", "l2", "--metric", "slope", "--values", "mean counts"]
    assert command("evaluate", *files, *named).code == 0
    assert (list(calls[0]["metrics"]), calls[0]["values"]) == ([], "counts")
    assert (calls[1]["metrics"], calls[1]["values"]) == (["l2", "slope"], "mean counts")
    assert command("evaluate", *files, "--values", "logs").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--predicted", "p.h5ad"],
        ["--observed", "o.h5ad"],
        ["run", "--predicted", "p.h5ad", "--observed", "o.h5ad"],
        ["run", "--train", "t.h5ad"],
        ["--data", "d.h5ad"],
        ["run", "--metric", "l2"],
        ["run", "--values", "log1p"],
    ],
)
def test_a_mixture_of_both_ways_is_a_usage_error(
    command: Any, replace: Any, arguments: list[str]
) -> None:
    calls = [replace(RUN, {}), replace(FILES, {})]
    done = command("evaluate", *arguments)
    assert (done.code, calls) == (2, [[], []])
    assert "--predicted and --observed" in done.err
