"""The benchmark of ablations: one part each, told apart, baselines shown once."""

from __future__ import annotations

import pandas
import pytest

from gpjepa.benchmark.ablations import (
    ABLATIONS,
    FULL,
    STAGE_A,
    SWEEP,
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
    for task, of in zip(ABLATIONS[:2], ("perturbations", "half of the doubles"), strict=True):
        names = [part.name for part in task.parts]
        assert len(set(names)) == len(names)
        assert {f"{of}, {name}" for name in (FULL, *NAMES)} <= set(names)
    assert {f"cell types, {name}" for name in STAGE_A} <= {p.name for p in ABLATIONS[0].parts}


def test_the_sweep_goes_from_no_counts_over_the_full_model_to_counts_alone() -> None:
    ordered = [name for name in SWEEP if "too" not in name]
    weights = [config_of(Config(), name).loss.nb for name in ordered]
    assert ordered[0] == "latent only"
    assert ordered[-1] == "plain NB-VAE"
    assert weights == [0.0, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 1.0, 1.0]
    assert config_of(Config(), ordered[-2]).loss.predict == 0
    balanced = config_of(Config(), "λ_nb 0.1, KL and priors too").loss
    assert (balanced.nb, balanced.kl) == (0.1, 0.1)
    assert config_of(Config(), "λ_nb 0.1").loss.kl == 1.0


def test_every_benchmark_compares_with_a_model_that_it_runs() -> None:
    for task in ABLATIONS:
        assert any(part.name.endswith(task.reference) for part in task.parts)


@pytest.fixture(scope="module")
def keys() -> list[set[str]]:
    """Return the cache keys of one seed of each benchmark."""
    jobs = make_jobs(ABLATIONS, 1, Config(), "cpu")
    return [{job.key for job in jobs if job.task == task.name} for task in ABLATIONS]


def test_results_of_different_ablations_are_kept_apart_in_the_cache(keys) -> None:
    assert [len(own) for own in keys] == [len(task.parts) for task in ABLATIONS]


def test_what_the_sweep_shares_with_the_ablations_is_run_once(keys) -> None:
    for ablations, sweep in ((0, 2), (1, 3)):
        assert len(keys[ablations] & keys[sweep]) == 4  # full, latent only, no JEPA, plain NB-VAE


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
