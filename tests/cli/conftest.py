"""Runs the command in this process, with workflow functions replaced by recorders."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gpjepa.cli.main import run

Calls = list[dict[str, Any]]
Replace = Callable[[str, Any], Calls]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Return a function that runs `gpjepa` with arguments and returns code, stdout and stderr."""

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture
def replace(monkeypatch: pytest.MonkeyPatch) -> Replace:
    """Return a function that replaces "module.function" by one that returns or raises `result`.

    The recorder takes only what the real function takes, and lists the arguments of each call.
    """

    def install(where: str, result: Any) -> Calls:
        module_name, _, function = where.rpartition(".")
        module = importlib.import_module(module_name)
        signature = inspect.signature(getattr(module, function))
        calls: Calls = []

        def recorder(*values: Any, **named: Any) -> Any:
            calls.append(dict(signature.bind(*values, **named).arguments))
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr(module, function, recorder)
        return calls

    return install
