from __future__ import annotations

from pathlib import Path
from typing import Any

WHERE = "gpjepa.api.workflow.pretrain_run"


def test_data_split_settings_and_output_reach_the_workflow(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"epochs": 2})
    done = command(
        *("pretrain", "d.h5ad", "--out", "run", "--split", "gears", "--batch", "b"),
        *("--set", "pretrain.epochs=2"),
    )
    assert done.code == 0, done.err
    (call,) = calls
    assert (call["source"], call["out"], call["split"]) == ("d.h5ad", Path("run"), "gears")
    assert call["roles"].batch == "b"
    assert call["config"].pretrain.epochs == 2
    assert done.out == "epochs  2\n"


def test_no_split_means_that_nothing_is_left_out(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {})
    command("pretrain", "d.h5ad", "--out", "run")
    assert calls[0]["split"] is None


def test_an_interrupt_exits_with_130(command: Any, replace: Any) -> None:
    replace(WHERE, KeyboardInterrupt())
    assert command("pretrain", "d.h5ad", "--out", "run").code == 130
