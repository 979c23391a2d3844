from __future__ import annotations

import json
from typing import Any

import pytest

from gpjepa.cli.main import exit_code, run
from gpjepa.cli.output import print_json, print_note, print_summary, print_table
from gpjepa.core import errors

WHERE = "gpjepa.api.workflow.describe_run"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.OutputExistsError("x"), 2),
        (errors.DataError("x"), 3),
        (errors.CheckpointError("x"), 4),
        (errors.VocabularyError("x"), 4),
        (errors.NumericError("x"), 1),
        (errors.GPJEPAError("x"), 1),
        (KeyboardInterrupt(), 130),
        (RuntimeError("x"), 1),
    ],
)
def test_each_error_has_its_exit_code(
    command: Any, replace: Any, error: BaseException, code: int
) -> None:
    replace(WHERE, error)
    assert exit_code(error) == code
    assert command("info", "run").code == code


def test_an_error_is_one_line_on_stderr_and_a_document_on_stdout(
    command: Any, replace: Any
) -> None:
    replace(WHERE, errors.DataError("found\n  this; expected that"))
    done = command("info", "run", "--json")
    assert done.err == "error: found this; expected that\n"
    assert json.loads(done.out) == {
        "error": {"type": "DataError", "message": "found this; expected that"}
    }


def test_an_unexpected_error_shows_its_traceback_only_when_asked(
    command: Any, replace: Any, monkeypatch: Any
) -> None:
    replace(WHERE, KeyError("lost"))
    done = command("info", "run")
    assert done.err == "error: KeyError: 'lost' (GPJEPA_DEBUG=1 shows where)\n"
    monkeypatch.setenv("GPJEPA_DEBUG", "1")
    assert "Traceback" in command("info", "run").err


@pytest.mark.parametrize(
    "arguments",
    [["trian"], ["info", "run", "--loud"], ["info"], ["info", "run", "--device", "tpu"]],
)
def test_usage_errors_exit_with_2_and_one_line(command: Any, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_no_argument_shows_the_help(command: Any) -> None:
    done = command()
    assert done.code == 0
    assert "Usage: gpjepa" in done.out


def test_help_lists_every_verb_there_is(command: Any) -> None:
    text = command("--help").out
    verbs = [
        "demo",
        "data",
        "check",
        "simulate",
        "pretrain",
        "train",
        "embed",
        "predict",
        "evaluate",
        "interactions",
        "report",
        "info",
        "doctor",
    ]
    assert [verb for verb in verbs if f" {verb} " not in text] == []


def test_version_is_that_of_the_package(command: Any) -> None:
    import gpjepa

    assert command("--version").out == f"gpjepa {gpjepa.__version__}\n"


def of_two(monkeypatch: pytest.MonkeyPatch, rank: int) -> None:
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29599")


@pytest.mark.parametrize("verb", ["info", "evaluate", "interactions", "report"])
def test_a_verb_of_one_process_is_refused_in_two(verb, monkeypatch, capsys, tmp_path) -> None:
    of_two(monkeypatch, 1)
    assert run([verb, str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"error: process 1: torchrun started 2 processes of '{verb}'" in printed.err


def test_only_the_first_of_two_processes_prints_results(monkeypatch, capsys) -> None:
    for rank, expected in ((0, True), (1, False)):
        of_two(monkeypatch, rank)
        print_json({"a": 1})
        print_table([{"a": 1}], ["a"])
        print_summary({"a": 1})
        print_note("a", quiet=False)
        printed = capsys.readouterr()
        assert bool(printed.out) is expected
        assert bool(printed.err) is expected
