from __future__ import annotations

import json
from typing import Any

from gpjepa.core.errors import CheckpointError

WHERE = "gpjepa.api.workflow.describe_run"


def test_what_a_run_holds_is_printed_both_ways(command: Any, replace: Any) -> None:
    replace(WHERE, {"genes": 500, "split": {"scheme": "gears"}})
    assert command("info", "run").out == "genes         500\nsplit.scheme  gears\n"
    assert json.loads(command("info", "run", "--json").out)["split"] == {"scheme": "gears"}


def test_a_folder_that_is_no_run_exits_with_4(command: Any, replace: Any) -> None:
    replace(WHERE, CheckpointError("no model in 'run'; expected a run directory; train first"))
    assert command("info", "run").code == 4
