from __future__ import annotations

from types import SimpleNamespace

import pandas
import pytest

from gpjepa.benchmark import papalexi_thp1
from gpjepa.core.config import Config
from gpjepa.data.perturbseq import read

NINE = {"IFNGR1", "IFNGR2", "JAK2", "STAT1", "SMAD4", "IRF1", "CUL3", "STAT2", "BRD4"}


def test_three_seeds_leave_out_every_target_that_responds_once(
    monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    frame = pandas.DataFrame({"group": ["targets left out"]})
    tested, unlabelled = [], []

    def train_and_assess(data, split, config, seed, device, *, encoder) -> SimpleNamespace:
        assert encoder == unlabelled[-1]
        assert not set(split.test) & {*split.train, *split.validation}
        assert len(split.test) == 1
        assert len([*split.train, *split.validation]) == len(data.perturbations) - 1
        tested.append((seed, *split.test))
        return SimpleNamespace(report=SimpleNamespace(table=frame, name="gpjepa"))

    def encoder_without(data, targets, *rest) -> tuple[str, ...]:
        unlabelled.append(tuple(targets))
        return unlabelled[-1]

    monkeypatch.setattr(papalexi_thp1, "train_and_assess", train_and_assess)
    monkeypatch.setattr(papalexi_thp1, "encoder_without", encoder_without)
    monkeypatch.setattr(papalexi_thp1, "group_scores", lambda table, *rest: table)
    for seed in range(3):
        found = papalexi_thp1.unseen_targets(config, seed, "cpu")
    assert sorted(target for _, target in tested) == sorted(NINE)
    assert [target for _, target in tested] == [each for third in unlabelled for each in third]
    assert list(found["group"]) == ["targets left out"] * 3


def test_the_encoder_has_seen_no_cell_of_the_targets(
    tiny, monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    data = read(tiny.make_cells(), announce=False)
    seen = {}

    class Traced(papalexi_thp1.GPJEPA):
        def __init__(self, data, config, split, *, seed, device) -> None:
            super().__init__(data, config, split, seed=seed, device=device)
            seen.update(trained={*split.train, *split.validation}, test=split.test)

    monkeypatch.setattr(papalexi_thp1, "GPJEPA", Traced)
    encoder = papalexi_thp1.encoder_without(data, ("A", "C"), tiny.make_config(), 0, "cpu")
    assert set(seen["test"]) == {"A", "C"}
    assert not seen["trained"] & {"A", "C"}
    assert encoder.encoder is not encoder.teacher  # Stage A has run


def test_all_nine_are_left_out_of_a_table_one_at_a_time(monkeypatch, config: Config) -> None:
    def score_unseen(data, splits, group, seed) -> str:
        assert [split.test for split in splits] == [(target,) for target in papalexi_thp1.NINE]
        assert len({split.truth_controls for split in splits}) == 1
        return f"{group}, {seed}"

    monkeypatch.setattr(papalexi_thp1, "score_unseen", score_unseen)
    assert set(papalexi_thp1.NINE) == NINE
    found = papalexi_thp1.targets_by_table(config, 2, "cpu")
    assert found == "targets left out, by table, 2"


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
        return pandas.DataFrame({"group": ["recovered", "recovered, cells"]})

    monkeypatch.setattr(papalexi_thp1, "train_and_assess", train_and_assess)
    monkeypatch.setattr(papalexi_thp1, "group_scores", group_scores)
    found = papalexi_thp1.recovered(config, 0, "cpu")
    assert seen["split"].test == ()
    assert set(seen["groups"]) == set(papalexi_thp1.STRONG)
    assert list(found["group"]) == ["recovered"]
