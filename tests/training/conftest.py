"""A tiny screen, prepared for training."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from gpjepa.core.config import Config
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.training.measured_effects import MeasuredEffects
from gpjepa.training.pair_batch import pairing_of
from gpjepa.training.pairs import PairSource, make_pairs
from gpjepa.training.pipeline import Session, seeded_world_model
from gpjepa.training.prepare import Prepared, prepare
from gpjepa.training.processes import open_fabric
from gpjepa.training.stage_bc import EffectTargets, StageBC
from gpjepa.training.validation import make_validation


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("tiny.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TINY = _load()
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """Return the module that makes tiny screens, splits and settings."""
    return TINY


@pytest.fixture(scope="session")
def data() -> PerturbSeq:
    return read(TINY.make_cells(), announce=False)


@pytest.fixture(scope="session")
def split(data: PerturbSeq) -> Split:
    return TINY.make_split(data)


@pytest.fixture(scope="session")
def prepared(data: PerturbSeq, split: Split) -> Prepared:
    return prepare(data, split, TINY.make_config(), None)


@pytest.fixture(scope="session")
def session() -> Session:
    return Session(fabric=open_fabric("cpu"), seed=0)


@pytest.fixture(scope="session")
def pairs(prepared: Prepared) -> PairSource:
    labels = prepared.observed.labels
    return make_pairs(prepared.training, labels, prepared.vocabulary, TINY.make_config(), 0)


@pytest.fixture(scope="session")
def make_stage() -> Callable[..., StageBC]:
    """Return a function that makes an untrained Stage B + C of prepared data and settings."""

    def make(prepared: Prepared, config: Config, teacher: Any = None) -> StageBC:
        model = seeded_world_model(prepared, config, 0)
        measured: MeasuredEffects = prepared.observed
        targets = EffectTargets(
            torch.from_numpy(measured.effect).float(),
            torch.from_numpy(measured.error).float(),
            prepared.moments.target,
        )
        vocabulary, target = prepared.vocabulary, prepared.moments.target
        source = make_pairs(prepared.training, measured.labels, vocabulary, config, 0)
        judge = make_validation(prepared.controls, prepared.validation, vocabulary, target, 0)
        pairing = pairing_of(config.predictor.pairing)
        return StageBC(model, teacher, targets, source, pairing, config, judge)

    return make
