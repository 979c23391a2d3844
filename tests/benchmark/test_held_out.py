from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from gpjepa.benchmark import held_out
from gpjepa.data.perturbseq import read

GROUPS = {"A+B": "doubles", "C+D": "doubles", "E": "unseen singles"}
SLOPES = [
    ("slope", "A+B", "gpjepa", 0.4, 0.8),
    ("slope", "C+D", "gpjepa", 0.6, 1.0),
    ("slope", "E", "gpjepa", 0.1, 0.9),
    ("slope", "A+B", "additive", 0.2, 0.8),
    ("slope", "C+D", "additive", 0.4, 1.0),
    ("slope", "A+B", "linear", 0.9, 0.8),
    ("slope", "C+D", "linear", np.nan, 1.0),
    ("slope", "E", "linear", 0.3, 0.9),
    ("slope", "all", "gpjepa", 0.37, 0.9),
    ("slope", "A+B", "gpjepa − additive", 0.2, np.nan),
    ("rank", "A+B", "gpjepa", 0.7, np.nan),
    ("energy_distance", "all", "gpjepa", 0.05, 0.01),
    ("energy_distance", "A+B", "gpjepa", 0.07, 0.02),
    ("energy_distance", "all", "gpjepa − control", -0.3, np.nan),
]


@pytest.fixture(scope="module")
def scores() -> pandas.DataFrame:
    names = ["metric", "perturbation", "model", "value", "ceiling"]
    report = SimpleNamespace(table=pandas.DataFrame(SLOPES, columns=names), name="gpjepa")
    return held_out.group_scores(SimpleNamespace(report=report), GROUPS)


def rows(scores: pandas.DataFrame, group: str) -> dict[tuple[str, str], float]:
    own = scores[scores.group == group]
    return {(m, name): v for m, name, v in zip(own.metric, own.model, own.value, strict=True)}


def test_scores_are_means_over_the_perturbations_of_a_group(scores) -> None:
    assert rows(scores, "doubles")["slope", "gpjepa"] == pytest.approx(0.5)
    assert rows(scores, "doubles")["slope", "additive"] == pytest.approx(0.3)
    assert rows(scores, "unseen singles")["slope", "gpjepa"] == pytest.approx(0.1)
    own = scores[(scores.group == "doubles") & (scores.model == "gpjepa")]
    assert own.ceiling.item() == pytest.approx(0.9)


def test_a_baseline_is_shown_only_where_it_applies_to_the_whole_group(scores) -> None:
    assert set(rows(scores, "doubles")) == {("slope", "gpjepa"), ("slope", "additive")}
    assert rows(scores, "unseen singles")["slope", "linear"] == pytest.approx(0.3)


def test_populations_are_averaged_over_all_that_respond_and_differences_left_out(scores) -> None:
    assert rows(scores, "responding") == {("energy_distance", "gpjepa"): 0.05}
    assert not scores.model.str.contains("−").any()
    assert set(scores.group) == {"doubles", "unseen singles", "responding"}


@pytest.fixture(scope="module")
def tiny():
    path = Path(__file__).resolve().parent.parent / "training" / "tiny.py"
    spec = importlib.util.spec_from_file_location("tiny", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("epochs", [0, 1])
def test_what_the_split_held_out_is_assessed_with_or_without_pretraining(
    tiny, monkeypatch, epochs: int
) -> None:
    stages: list[str] = []
    for name in ("pretrain", "fit"):
        method = getattr(held_out.GPJEPA, name)

        def traced(self, *values, _method=method, _name=name):
            stages.append(_name)
            return _method(self, *values)

        monkeypatch.setattr(held_out.GPJEPA, name, traced)
    data = read(tiny.make_cells(), announce=False)
    split = tiny.make_split(data)
    config = tiny.make_config(pretrain={"epochs": epochs})
    found = held_out.train_and_assess(data, split, config, 0, "cpu")
    assert stages == (["pretrain", "fit"] if epochs else ["fit"])
    assert found.labels == ("C+D",)
    table = held_out.group_scores(found, {"C+D": "doubles"})
    own = table[(table.group == "doubles") & (table.model == found.report.name)]
    assert set(own.metric) == set(held_out.EFFECT)
    assert "additive" in set(table[table.group == "doubles"].model)
