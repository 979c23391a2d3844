"""A simulated screen in a file, settings for the command, and the command itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gpjepa.cli.main import run

SIZES = (
    *("encoder.latent=8", "encoder.hidden=16", "encoder.layers=1"),
    *("perturbation.features=[]", "predictor.width=16", "predictor.heads=2", "predictor.layers=1"),
    *("pretrain.epochs=1", "pretrain.min_steps=6", "pretrain.max_steps=6"),
    *("fit.epochs=1", "fit.min_steps=8", "fit.max_steps=8", "fit.validations=2"),
)
SCREEN = (
    *("free.genes=30", "free.perturbed=6", "free.pairs=10", "free.panel_share=0.3"),
    *(
        "free.base_log_sd=0.5",
        "cells.control=100",
        "cells.perturbed=24",
        "cells.library_median=600",
    ),
)


def settings(*changes: str) -> list[str]:
    """Return `--set` options of a tiny training with `changes` on top."""
    return [word for change in (*SIZES, *changes) for word in ("--set", change)]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Return the JSON document on stdout."""
        return json.loads(self.out)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Return a function that runs `gpjepa` in this process."""

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def tiny() -> Callable[..., list[str]]:
    return settings


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a simulated screen; not to be changed."""
    path = tmp_path_factory.mktemp("screen") / "screen.h5ad"
    changes = [word for change in SCREEN for word in ("--set", change)]
    assert run(["simulate", "--preset", "free", "--quiet", "--out", str(path), *changes]) == 0
    return path


@pytest.fixture(scope="session")
def trained(screen: Path) -> Path:
    """Return a finished run on the screen; not to be changed."""
    out = screen.parent / "trained"
    split = ("--split", "unseen-combination", "--quiet", "--device", "cpu")
    assert run(["train", str(screen), "--out", str(out), *split, *settings()]) == 0
    return out
