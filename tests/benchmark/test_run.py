from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas
import pytest

from gpjepa.benchmark import jobs, run
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import Part
from gpjepa.benchmark.tasks import TASKS
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Config, int, str]]:
    """Replace all tasks by one with known numbers; return the arguments of its calls."""
    calls: list[tuple[Config, int, str]] = []

    def score(config: Config, seed: int, device: str) -> pandas.DataFrame:
        calls.append((config, seed, device))
        rows = [
            ("doubles", "slope", "gpjepa", 0.5 + seed, 0.0, 1.0 + seed, 4),
            ("doubles", "slope", "additive", 0.25, 0.0, 1.0 + seed, 4),
            ("doubles", "slope", "linear", np.nan if seed else 0.75, 0.0, np.nan, 4),
        ]
        return pandas.DataFrame(rows, columns=list(COLUMNS))

    task = replace(TASKS[0], parts=(Part("made", score),))
    monkeypatch.setattr(run, "TASKS", (task,))
    monkeypatch.setattr(run, "find_task", lambda name: task)
    monkeypatch.setattr(jobs, "find_task", lambda name: task)
    return calls


def rows(found) -> dict[str, dict]:
    return {record["model"]: record for record in found["benchmarks"][0]["table"]}


def test_an_unknown_benchmark_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"norman-k56.*norman-k562"):
        run.run_benchmarks(["norman-k56"], 1)


@pytest.mark.parametrize("seeds", [0, -1])
def test_fewer_than_one_seed_is_refused_before_anything_is_scored(scored, seeds: int) -> None:
    with pytest.raises(ConfigError, match=f"seeds is {seeds}; expected 1 or more"):
        run.run_benchmarks([TASKS[0].name], seeds)
    assert scored == []


def test_every_seed_is_scored_with_the_same_settings(scored, config: Config) -> None:
    run.run_benchmarks(["all"], 3, config, device="cpu")
    assert scored == [(config, seed, "cpu") for seed in range(3)]


def test_the_table_holds_mean_spread_and_values_over_seeds(scored) -> None:
    found = run.run_benchmarks([TASKS[0].name], 3)
    model = rows(found)["gpjepa"]
    assert (model["mean"], model["sd"]) == (pytest.approx(1.5), pytest.approx(1.0))
    assert (model["floor"], model["ceiling"], model["n"]) == (0.0, pytest.approx(2.0), 4)
    assert model["values"] == {"0": 0.5, "1": 1.5, "2": 2.5}
    assert rows(found)["additive"]["sd"] == 0.0


def test_a_score_that_one_seed_lacks_is_the_mean_of_the_others_and_says_so(scored) -> None:
    linear = rows(run.run_benchmarks(["all"], 2))["linear"]
    assert (linear["mean"], linear["seeds"], linear["ceiling"]) == (0.75, 1, None)


def test_seconds_are_those_of_the_jobs_and_each_says_whether_it_was_cached(scored) -> None:
    (document,) = run.run_benchmarks(["all"], 2)["benchmarks"]
    assert [(job["seed"], job["cached"]) for job in document["jobs"]] == [(0, False), (1, False)]
    assert document["simulated"] is False
    assert document["seconds"] >= 0


def test_a_benchmark_with_a_reference_has_paired_differences(scored, monkeypatch) -> None:
    made = run.find_task("made")
    task = replace(made, reference="additive")
    monkeypatch.setattr(run, "find_task", lambda name: task)
    (document,) = run.run_benchmarks(["made"], 2)["benchmarks"]
    assert document["models"] == ["gpjepa", "additive", "linear"]
    parts = (replace(task.parts[0], name="made, linear"),)
    assert run._is_part(replace(task, parts=parts), "linear")
    assert not run._is_part(replace(task, parts=parts), "additive")
    paired = {record["model"]: record for record in document["paired"]}
    assert paired["gpjepa"]["difference"] == pytest.approx(0.75)
    assert paired["linear"]["seeds"] == 1
    assert "paired" not in run.run_benchmarks(["all"], 1)["benchmarks"][0]


def test_parts_can_be_chosen_and_a_wrong_one_is_refused(scored) -> None:
    (document,) = run.run_benchmarks(["all"], 1, only=["made"])["benchmarks"]
    assert [job["part"] for job in document["jobs"]] == ["made"]
    with pytest.raises(ConfigError, match="'maid'"):
        run.run_benchmarks(["all"], 1, only=["maid"])


def test_keys_differ_between_parts_seeds_and_settings(config: Config) -> None:
    made = run.make_jobs(TASKS[:2], 2, Config(), "cpu")
    other = run.make_jobs(TASKS[:2], 2, config, "cpu")
    keys = [job.key for job in (*made, *other)]
    assert len(set(keys)) == len(keys) == 2 * 2 * sum(len(task.parts) for task in TASKS[:2])


def test_spread_is_the_sample_deviation_and_zero_of_one_value() -> None:
    assert run.spread(np.array([1.0, 2.0, 4.0])) == pytest.approx(np.sqrt(7 / 3))
    assert run.spread(np.array([5.0])) == 0.0
