from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gpjepa.cli import output


def test_json_has_no_nan_and_knows_numpy_and_paths(capsys: Any) -> None:
    output.print_json(
        {"a": float("inf"), "b": np.float32(0.5), "c": np.array([1.0, np.nan]), "d": Path("x")}
    )
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": 0.5, "c": [1.0, None], "d": "x"}


def test_a_table_off_a_terminal_is_aligned_and_unruled(capsys: Any) -> None:
    output.print_table([{"name": "A", "value": 0.123456}, {"name": "long name"}], ["name", "value"])
    assert capsys.readouterr().out == "name       value\nA          0.1235\nlong name  -\n"


def test_a_wide_table_is_not_cut_off_a_terminal(capsys: Any) -> None:
    output.print_table([{"x": "w" * 500}], ["x"])
    assert "w" * 500 in capsys.readouterr().out


def test_a_table_on_a_terminal_is_ruled_and_takes_names_literally(
    capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.print_table([{"name": "[red]A", "value": 1}], ["name", "value"])
    printed = capsys.readouterr().out
    assert "[red]A" in printed
    assert "┃" in printed


def test_a_summary_shows_nested_values_and_leaves_tables_out(capsys: Any) -> None:
    output.print_summary(
        {"run": "r", "loss": {"nb": 1.5}, "genes": ["A", "B"], "table": [{"a": 1}], "ok": True}
    )
    assert capsys.readouterr().out == "run      r\nloss.nb  1.5\ngenes    A, B\nok       yes\n"


def test_notes_go_to_stderr_unless_quiet(capsys: Any) -> None:
    output.print_note("loud", quiet=False)
    output.print_note("silent", quiet=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "loud\n")
