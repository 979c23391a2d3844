from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gpjepa.benchmark import tasks
from gpjepa.core.config import Config
from gpjepa.data.labels import members_of


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Leave out training and scoring; return what they were asked for."""
    asked: dict[str, Any] = {}

    def train_and_assess(data, split, config, seed, device) -> SimpleNamespace:
        asked.update(data=data, split=split, config=config, seed=seed, device=device)
        return SimpleNamespace(labels=data.perturbations)

    def group_scores(assessed, groups) -> str:
        asked.update(groups=groups)
        return "scores"

    monkeypatch.setattr(tasks, "train_and_assess", train_and_assess)
    monkeypatch.setattr(tasks, "group_scores", group_scores)
    return asked


def test_norman_holds_out_doubles_of_trained_singles_and_singles_never_seen(
    trained, config: Config
) -> None:
    assert tasks.norman_k562(config, 1, "cpu") == "scores"
    groups, split = trained["groups"], trained["split"]
    assert set(groups) == set(split.test)
    doubles = [label for label, group in groups.items() if group == "doubles"]
    unseen = [label for label, group in groups.items() if group == "unseen singles"]
    assert (len(doubles), len(unseen)) == (5, 3)
    for label in doubles:
        assert set(members_of(label)) <= set(split.train)
    for label in unseen:
        assert not any(label in members_of(trained_on) for trained_on in split.train)
    assert (trained["config"], trained["seed"], trained["device"]) == (config, 1, "cpu")


def test_papalexi_trains_on_everything_and_names_the_targets_that_respond(
    trained, config: Config
) -> None:
    assert tasks.papalexi_thp1(config, 0, "cpu") == "scores"
    assert trained["split"].test == ()
    assert set(trained["split"].train) == set(trained["data"].perturbations)
    groups = trained["groups"]
    assert {label for label, group in groups.items() if group == label} == set(tasks.STRONG)
    rest = set(trained["data"].perturbations) - set(tasks.STRONG)
    assert {label for label, group in groups.items() if group == "other targets"} == rest


def test_task_names_are_unique_names_of_embedded_data() -> None:
    names = [task.name for task in tasks.TASKS]
    assert len(set(names)) == len(names)
    assert set(names) <= set(tasks.datasets.names())


def test_spread_is_the_sample_deviation_and_zero_of_one_value() -> None:
    assert tasks.spread(np.array([1.0, 2.0, 4.0])) == pytest.approx(np.sqrt(7 / 3))
    assert tasks.spread(np.array([5.0])) == 0.0
