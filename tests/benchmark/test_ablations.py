"""The benchmark of ablations: one part each, told apart, baselines shown once."""

from __future__ import annotations

import pandas
import pytest

from gpjepa.benchmark import ablations as module
from gpjepa.benchmark.ablations import ABLATIONS, FULL, STAGE_A, HeldOut, config_of, renamed
from gpjepa.benchmark.run import make_jobs
from gpjepa.benchmark.tasks import TASKS, find_task
from gpjepa.core.config import Config
from gpjepa.training.ablations import NAMES, ablated

SCORES = pandas.DataFrame({"model": ["gpjepa", "additive"], "value": [0.8, 0.7]})


def test_every_ablation_is_a_part_beside_the_full_model() -> None:
    names = [part.name for part in ABLATIONS.parts]
    assert len(set(names)) == len(names)
    assert {f"perturbations, {name}" for name in (FULL, *NAMES)} <= set(names)
    assert {f"cell types, {name}" for name in STAGE_A} <= set(names)


def test_results_of_different_ablations_are_kept_apart_in_the_cache() -> None:
    jobs = make_jobs([ABLATIONS], 2, Config(), "cpu")
    assert len({job.key for job in jobs}) == len(jobs) == 2 * len(ABLATIONS.parts)


def test_it_is_found_by_name_and_is_not_among_those_that_run_together() -> None:
    assert find_task("ablations") is ABLATIONS
    assert ABLATIONS not in TASKS


def test_baselines_are_shown_beside_the_full_model_only() -> None:
    assert renamed(SCORES, FULL)["model"].tolist() == [FULL, "additive"]
    assert renamed(SCORES, "mean state")["model"].tolist() == ["mean state"]


@pytest.mark.parametrize("name", ["full model", "plain NB-VAE"])
def test_a_part_trains_with_the_settings_of_its_ablation(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    seen = []

    def held_out(config: Config, seed: int, device: str) -> pandas.DataFrame:
        seen.append((config, seed, device))
        return SCORES

    monkeypatch.setattr(module.norman_k562, "held_out", held_out)
    found = HeldOut(name)(Config(), 3, "cpu")
    expected = Config() if name == FULL else ablated(Config(), name)
    assert seen == [(expected, 3, "cpu")]
    assert config_of(Config(), name) == expected
    assert found["model"].iloc[0] == name
