"""A tiny model and a tiny run, each made once."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from anndata import AnnData

from gpjepa.api.assessment import Assessment, assess
from gpjepa.api.evaluate_run import evaluate_run
from gpjepa.api.interaction_ranking import Ranked, rank
from gpjepa.api.interactions import gated
from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RoleOptions, RunOptions
from gpjepa.api.plan import Departure, prepared
from gpjepa.api.plan_search import Found, search
from gpjepa.api.plan_settings import Search
from gpjepa.api.plan_setup import Setup
from gpjepa.api.plan_space import Constraints
from gpjepa.api.populations import Start
from gpjepa.api.run import read_split
from gpjepa.api.train_run import train_run
from gpjepa.core.files import write_json
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq, read


def _load() -> ModuleType:
    path = Path(__file__).resolve().parent.parent / "training" / "tiny.py"
    spec = importlib.util.spec_from_file_location("tiny", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TINY = _load()


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """Return the module that makes tiny screens, splits and settings."""
    return TINY


@pytest.fixture(scope="session")
def adata() -> AnnData:
    """Return the cells that `data` are read from; not to be changed."""
    return TINY.make_cells()


@pytest.fixture(scope="session")
def data(adata: AnnData) -> PerturbSeq:
    return read(adata, announce=False)


@pytest.fixture(scope="session")
def split(data: PerturbSeq) -> Split:
    return TINY.make_split(data)


@pytest.fixture(scope="session")
def model(data: PerturbSeq, split: Split) -> GPJEPA:
    """Return a fitted model; not to be trained further."""
    made = GPJEPA(data, TINY.make_config(), split, device="cpu")
    made.pretrain()
    made.fit()
    return made


@pytest.fixture(scope="session")
def saved(model: GPJEPA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the fitted model; not to be changed."""
    return model.save(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="session")
def start(model: GPJEPA) -> Start:
    """Return the fitted model bound to its own control cells."""
    return Start(model.bundle, model.controls, None)


@pytest.fixture(scope="session")
def setup(model: GPJEPA, data: PerturbSeq) -> Setup:
    """Return what a plan towards C+D needs; its objectives keep what they computed."""
    chosen = Search(planner="exhaustive", energy="latent", cells=16, top=30)
    return prepared(model, "C+D", Departure(), Constraints(), chosen, data)


@pytest.fixture(scope="session")
def found(setup: Setup) -> Found:
    """Return the search of all sets of the plan."""
    return search(setup)


@pytest.fixture(scope="session")
def ranked(start: Start) -> Ranked:
    """Return five pairs, four of them measured, ranked by their interaction."""
    pairs = ("A+B", "A+C", "A+D", "B+C", "C+F")
    return rank(start, pairs, gated(start), 0.9, None, 0)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a screen as h5ad."""
    path = tmp_path_factory.mktemp("data") / "screen.h5ad"
    TINY.make_cells(control=100, perturbed=24).write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def split_file(source: Path) -> Path:
    """Return the path of a split of the screen: two combinations and a lone single tested."""
    screen = read(source, announce=False)
    split = TINY.make_split(screen, ("A+D", "B+C"), ("B+D", "C+D", "E"))
    return write_json(source.with_name("split.json"), split.to_json())


@pytest.fixture(scope="session")
def options() -> RunOptions:
    return RunOptions(device="cpu", announce=False)


@pytest.fixture(scope="session")
def train(source: Path, split_file: Path, options: RunOptions) -> Callable[..., dict[str, Any]]:
    """Return a function that trains the screen into a directory."""

    def call(out: Path, **changes: Any) -> dict[str, Any]:
        given: dict[str, Any] = {
            "source": str(source),
            "roles": RoleOptions(),
            "split": str(split_file),
            "context_column": None,
            "config": TINY.make_config(),
            "encoder": None,
            "resume": False,
            "options": options,
        }
        return train_run(out=out, **{**given, **changes})

    return call


@pytest.fixture(scope="session")
def run(train: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished training run; not to be changed."""
    out = tmp_path_factory.mktemp("run") / "run"
    train(out)
    return out


@pytest.fixture(scope="session")
def screen(source: Path) -> PerturbSeq:
    return read(source, announce=False)


@pytest.fixture(scope="session")
def assessed(run: Path, screen: PerturbSeq) -> Assessment:
    """Return the assessment of the run; not to be changed."""
    return assess(GPJEPA.load(run, "cpu"), screen, read_split(run), 0)


@pytest.fixture(scope="session")
def evaluated(run: Path, options: RunOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the run's evaluation."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    evaluate_run(run, out, None, options)
    return out
