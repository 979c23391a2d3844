"""The benchmark of ablations: one part each, told apart, baselines shown once."""

from __future__ import annotations

import pandas
import pytest

from gpjepa.benchmark.ablations import (
    ABLATIONS,
    FULL,
    STAGE_A,
    Ablated,
    config_of,
    parts_of,
    renamed,
)
from gpjepa.benchmark.run import make_jobs
from gpjepa.benchmark.task import Part
from gpjepa.benchmark.tasks import TASKS, find_task
from gpjepa.core.config import Config
from gpjepa.training.ablations import NAMES, ablated

SCORES = pandas.DataFrame({"model": ["gpjepa", "additive"], "value": [0.8, 0.7]})


def test_every_ablation_is_a_part_beside_the_full_model() -> None:
    for task, of in zip(ABLATIONS, ("perturbations", "half of the doubles"), strict=True):
        names = [part.name for part in task.parts]
        assert len(set(names)) == len(names)
        assert {f"{of}, {name}" for name in (FULL, *NAMES)} <= set(names)
    assert {f"cell types, {name}" for name in STAGE_A} <= {p.name for p in ABLATIONS[0].parts}


def test_results_of_different_ablations_are_kept_apart_in_the_cache() -> None:
    jobs = make_jobs(ABLATIONS, 2, Config(), "cpu")
    assert len({job.key for job in jobs}) == len(jobs)
    assert len(jobs) == 2 * sum(len(task.parts) for task in ABLATIONS)


def test_they_are_found_by_name_and_are_not_among_those_that_run_together() -> None:
    for task in ABLATIONS:
        assert find_task(task.name) is task
        assert task not in TASKS
        assert task.simulated == ("simulated" in task.title)


def test_baselines_are_shown_beside_the_full_model_only() -> None:
    assert renamed(SCORES, FULL)["model"].tolist() == [FULL, "additive"]
    assert renamed(SCORES, "mean state")["model"].tolist() == ["mean state"]


@pytest.mark.parametrize("name", ["full model", "plain NB-VAE"])
def test_a_part_trains_with_the_settings_of_its_ablation(name: str) -> None:
    seen = []

    def score(config: Config, seed: int, device: str) -> pandas.DataFrame:
        seen.append((config, seed, device))
        return SCORES

    (part,) = parts_of(Part("something", score), (name,))
    assert isinstance(part.score, Ablated)
    found = part.score(Config(), 3, "cpu")
    expected = Config() if name == FULL else ablated(Config(), name)
    assert seen == [(expected, 3, "cpu")]
    assert config_of(Config(), name) == expected
    assert (part.name, part.score.__name__) == (f"something, {name}", f"score, {name}")
    assert found["model"].iloc[0] == name
