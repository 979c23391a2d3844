"""The demo on its real data, with a model too small to be good."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

from gpjepa.api.options import RunOptions
from gpjepa.core.config import Config
from gpjepa.core.errors import OutputExistsError
from gpjepa.report.demo import run_demo

SMALL = Config(
    data={"genes": 60},
    encoder={"latent": 8, "hidden": 16, "layers": 1},
    perturbation={"features": ("hallmark",), "components": 8},
    predictor={"width": 16, "heads": 2, "layers": 1, "pairing": "random"},
    pretrain={"epochs": 1, "min_steps": 3, "max_steps": 3},
    fit={"epochs": 1, "min_steps": 4, "max_steps": 4, "validations": 1},
)
DOUBLES_WITH_BOTH_SINGLES = 5


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("demo") / "run"
    return out, run_demo(out, RunOptions(device="cpu", announce=False), SMALL)


def test_the_demo_ends_with_a_report_beside_its_run(demo) -> None:
    out, told = demo
    assert told["report"] == str(out / "report.html")
    page = (out / "report.html").read_text()
    split = json.loads((out / "split.json").read_text())
    assert all(label in page for label in split["test"])
    assert str(out) not in page
    for name in ("model.safetensors", "norman-k562.h5ad", "history.csv", "evaluation"):
        assert (out / name).exists(), name


def test_held_out_are_the_doubles_whose_singles_are_measured_and_three_singles(demo) -> None:
    out, _ = demo
    split = json.loads((out / "split.json").read_text())
    doubles = [label for label in split["test"] if "+" in label]
    singles = [label for label in split["test"] if "+" not in label]
    assert (len(doubles), len(singles)) == (DOUBLES_WITH_BOTH_SINGLES, 3)
    known = {*split["train"], *split["validation"]}
    for label in doubles:
        assert set(label.split("+")) <= known
    assert not known & set(split["test"])


def test_the_model_is_compared_with_baselines_and_may_lose(demo) -> None:
    out, told = demo
    table = pandas.read_csv(out / "evaluation" / "metrics.csv")
    assert {"gpjepa", "no change", "training mean", "additive", "strong"} <= set(table["model"])
    won = [row["won"] for row in told["headline"]]
    assert False in won  # four steps beat nobody on everything


def test_a_plan_leads_to_a_held_out_double_and_is_in_the_report(demo) -> None:
    out, told = demo
    assert told["plan"] == str(out / "plan.csv")
    (kept,) = (out / "plans").glob("*.json")
    goal = json.loads(kept.read_text())["goal"]["name"]
    assert goal in json.loads((out / "split.json").read_text())["test"]
    assert f"Plan: reach {goal}" in (out / "report.html").read_text()


def test_an_occupied_directory_is_refused(demo) -> None:
    out, _ = demo
    before = (out / "report.html").read_bytes()
    with pytest.raises(OutputExistsError, match="exists already"):
        run_demo(out, RunOptions(device="cpu", announce=False), SMALL)
    assert (out / "report.html").read_bytes() == before


@pytest.mark.slow
def test_the_demo_is_the_same_for_a_seed(demo, tmp_path: Path) -> None:
    out, _ = demo
    run_demo(tmp_path / "again", RunOptions(device="cpu", announce=False), SMALL)
    names = ("model.safetensors", "split.json", "history.csv", "metrics.csv", "effects.csv")
    for name in (f"evaluation/{n}" if n in names[3:] else n for n in names):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes(), name
