from __future__ import annotations

from types import SimpleNamespace

import pandas
import pytest

from gpjepa.benchmark import papalexi_thp1
from gpjepa.core.config import Config

UNDER_TEST = papalexi_thp1
NINE = {"IFNGR1", "IFNGR2", "JAK2", "STAT1", "SMAD4", "IRF1", "CUL3", "STAT2", "BRD4"}


def test_three_seeds_leave_out_every_target_that_responds_once(
    asked, monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    frame = pandas.DataFrame({"group": ["responding"]})
    monkeypatch.setattr(papalexi_thp1, "group_scores", lambda *values: frame)
    tested = []
    for seed in range(3):
        found = papalexi_thp1.unseen_targets(config, seed, "cpu")
        split = asked["split"]
        assert not set(split.test) & {*split.train, *split.validation}
        tested += split.test
    assert sorted(tested) == sorted(NINE)
    assert list(found["group"]) == ["targets left out, cells"]


def test_three_seeds_leave_out_every_replicate_once(monkeypatch, config: Config) -> None:
    left = []

    def score_context(data, column, level, group, config, seed, device, main) -> str:
        left.append(level)
        assert set(main) == NINE
        assert (column, group) == ("bio_rep", "replicate left out")
        return "scores"

    monkeypatch.setattr(papalexi_thp1, "score_context", score_context)
    for seed in range(3):
        assert papalexi_thp1.unseen_replicate(config, seed, "cpu") == "scores"
    assert sorted(left) == sorted(set(papalexi_thp1.load().covariate("bio_rep")))


def test_recovery_trains_on_everything_and_scores_the_strong_targets(
    monkeypatch, config: Config
) -> None:
    seen = {}

    def train_and_assess(data, split, *rest) -> SimpleNamespace:
        seen.update(split=split)
        report = SimpleNamespace(table=None, name="gpjepa")
        return SimpleNamespace(labels=data.perturbations, report=report)

    def group_scores(table, name, groups) -> pandas.DataFrame:
        seen.update(groups=groups)
        return pandas.DataFrame({"group": ["recovered", "responding"]})

    monkeypatch.setattr(papalexi_thp1, "train_and_assess", train_and_assess)
    monkeypatch.setattr(papalexi_thp1, "group_scores", group_scores)
    found = papalexi_thp1.recovered(config, 0, "cpu")
    assert seen["split"].test == ()
    assert set(seen["groups"]) == set(papalexi_thp1.STRONG)
    assert list(found["group"]) == ["recovered"]
