from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpjepa.core.errors import DataError

WHERE = "gpjepa.api.workflow.embed_file"


def test_run_data_and_output_reach_the_workflow(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"cells": 5})
    done = command("embed", "run", "d.h5ad", "--out", "e.h5ad", "--json")
    assert json.loads(done.out) == {"cells": 5}
    (call,) = calls
    assert (call["run"], call["source"], call["out"]) == (Path("run"), "d.h5ad", Path("e.h5ad"))


def test_missing_genes_are_bad_data(command: Any, replace: Any) -> None:
    replace(WHERE, DataError("genes G1 are missing; expected all; add them"))
    done = command("embed", "run", "d.h5ad", "--out", "e.h5ad")
    assert (done.code, done.err) == (3, "error: genes G1 are missing; expected all; add them\n")
