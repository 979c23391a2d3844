from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpjepa.core.errors import VocabularyError

WHERE = "gpjepa.api.interactions_run.interactions_file"
ROW = {
    "rank": 1,
    "perturbation": "A+B",
    "measured": False,
    "strength": 0.5,
    "class": "synergy",
    "novelty": 0.0,
    "verdict": "use the model",
    "top_genes": "gene1 +0.50",
}


def test_a_run_alone_asks_for_all_its_pairs(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"out": "gi.csv", "pairs": 1, "combinations": [ROW]})
    done = command("interactions", "run", "--out", "gi.csv")
    assert done.code == 0, done.err
    assert "A+B           no        0.5       synergy  use the model  gene1 +0.50" in done.out
    (call,) = calls
    assert (call["run"], call["out"], call["labels"]) == (Path("run"), Path("gi.csv"), [])
    assert (call["level"], call["top"], call["genes"]) == (0.9, None, None)
    assert call["modality"] is None


def test_labels_level_and_top_reach_the_workflow_and_json_has_every_combination(
    command: Any, replace: Any
) -> None:
    calls = replace(WHERE, {"combinations": [ROW] * 30})
    choices = ["-p", "B+A", "-p", "C+D", "--level", "0.5", "--top", "30", "--genes", "7", "--json"]
    choices += ["--modality", "CRISPRi"]
    done = command("interactions", "run", "--out", "gi.csv", *choices)
    assert len(json.loads(done.out)["combinations"]) == 30
    (call,) = calls
    assert (call["labels"], call["level"], call["top"]) == (["B+A", "C+D"], 0.5, 30)
    assert (call["genes"], call["modality"]) == (7, "CRISPRi")


def test_people_are_shown_the_first_twenty(command: Any, replace: Any) -> None:
    replace(WHERE, {"combinations": [ROW] * 30})
    assert command("interactions", "run", "--out", "gi.csv").out.count("A+B") == 20


def test_what_is_no_combination_exits_with_4(command: Any, replace: Any) -> None:
    replace(WHERE, VocabularyError("'A' is no combination; expected two members or more"))
    assert command("interactions", "run", "-p", "A", "--out", "gi.csv").code == 4


@pytest.mark.parametrize("arguments", [["run"], ["run", "--out", "gi.csv", "--top", "0"]])
def test_a_call_that_makes_no_sense_is_a_usage_error(
    command: Any, replace: Any, arguments: list[str]
) -> None:
    calls = replace(WHERE, {})
    assert command("interactions", *arguments).code == 2
    assert calls == []
