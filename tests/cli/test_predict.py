from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpjepa.core.errors import VocabularyError

WHERE = "gpjepa.api.workflow.predict_file"
TOLD = {"perturbation": "A+B", "novelty": 0.25, "verdict": "use the model"}


def test_every_label_reaches_the_workflow_in_order(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"cells": 20, "perturbations": [TOLD]})
    done = command("predict", "run", "-p", "B+A", "-p", "C", "--cells", "10", "--out", "p.h5ad")
    assert done.code == 0, done.err
    assert "A+B           0.25     use the model" in done.out
    (call,) = calls
    assert (call["run"], list(call["labels"]), call["cells"]) == (Path("run"), ["B+A", "C"], 10)
    assert (call["out"], call["format"]) == (Path("p.h5ad"), "anndata")


def test_the_form_for_cell_eval_reaches_the_workflow(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"cells": 20, "perturbations": [TOLD]})
    done = command("predict", "run", "-p", "A", "--out", "p.h5ad", "--format", "cell-eval")
    assert done.code == 0, done.err
    assert calls[0]["format"] == "cell-eval"


def test_an_unknown_perturbation_exits_with_4_and_keeps_the_suggestion(
    command: Any, replace: Any
) -> None:
    replace(WHERE, VocabularyError("'KLF17' is not known (closest: 'KLF1'); see info"))
    done = command("predict", "run", "-p", "KLF17", "--out", "p.h5ad", "--json")
    assert done.code == 4
    assert "closest: 'KLF1'" in done.err
    assert json.loads(done.out)["error"]["type"] == "VocabularyError"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--out", "p.h5ad"],
        ["run", "-p", "A"],
        ["run", "-p", "A", "--out", "p.h5ad", "--cells", "0"],
        ["run", "-p", "A", "--out", "p.h5ad", "--format", "loom"],
    ],
)
def test_a_call_that_makes_no_sense_is_a_usage_error(
    command: Any, replace: Any, arguments: list[str]
) -> None:
    calls = replace(WHERE, {})
    assert command("predict", *arguments).code == 2
    assert calls == []


def test_the_modality_reaches_the_workflow(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"cells": 20, "perturbations": [TOLD]})
    done = command("predict", "run", "-p", "A", "--out", "p.h5ad", "--modality", "CRISPRi")
    assert done.code == 0, done.err
    assert calls[0]["modality"] == "CRISPRi"
