"""The smallest settings that a benchmark runs with, and screens to run it on."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gpjepa.benchmark import effect_tables
from gpjepa.benchmark.task import MODEL
from gpjepa.core.config import Config
from gpjepa.evaluation.baselines_simple import NoChange
from gpjepa.evaluation.effect_table import EffectTable


@pytest.fixture(scope="session")
def config() -> Config:
    return Config(
        encoder={"latent": 8, "hidden": 16},
        predictor={"width": 16},
        pretrain={"epochs": 1, "min_steps": 2, "max_steps": 3},
        fit={"epochs": 1, "min_steps": 4, "max_steps": 6},
    )


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """Return the module that makes screens on which a model trains in a second."""
    path = Path(__file__).resolve().parent.parent / "training" / "tiny.py"
    spec = importlib.util.spec_from_file_location("tiny", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nothing(training: EffectTable, seed: int) -> NoChange:
    """Stand in for the model of the effect tables: predict nothing, quickly."""
    return NoChange(training, name=MODEL)


@pytest.fixture(scope="module")
def without_model() -> Iterator[None]:
    """Let a whole test module do without the model of the effect tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effect_tables, "compose", nothing)
        yield


@pytest.fixture
def once_without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one test do without the model of the effect tables."""
    monkeypatch.setattr(effect_tables, "compose", nothing)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Leave out training and scoring in the module under test; return what they were asked for.

    A test module names the module under test as `UNDER_TEST`.
    """
    found: dict[str, Any] = {}
    module = request.module.UNDER_TEST

    def train_and_assess(data, split, config, seed, device) -> SimpleNamespace:
        found.update(data=data, split=split, config=config, seed=seed, device=device)
        report = SimpleNamespace(table="table", name="gpjepa")
        return SimpleNamespace(labels=data.perturbations, report=report)

    def group_scores(table, name, groups) -> str:
        found.update(table=table, name=name, groups=groups)
        return "scores"

    monkeypatch.setattr(module, "train_and_assess", train_and_assess)
    monkeypatch.setattr(module, "group_scores", group_scores)
    return found
