from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas
import pytest

from gpjepa.benchmark import run
from gpjepa.benchmark.tasks import TASKS
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Config, int, str]]:
    """Replace the first task's score by known numbers; return the arguments of its calls."""
    calls: list[tuple[Config, int, str]] = []

    def score(config: Config, seed: int, device: str) -> pandas.DataFrame:
        calls.append((config, seed, device))
        rows = [
            ("doubles", "slope", "gpjepa", 0.5 + seed, 1.0 + seed),
            ("doubles", "slope", "additive", 0.25, np.nan),
        ]
        return pandas.DataFrame(rows, columns=["group", "metric", "model", "value", "ceiling"])

    monkeypatch.setattr(run, "TASKS", (replace(TASKS[0], score=score), *TASKS[1:]))
    return calls


def test_an_unknown_benchmark_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"norman-k56.*norman-k562.*papalexi-thp1, kang-pbmc"):
        run.run_benchmark("norman-k56", 1)


@pytest.mark.parametrize("seeds", [0, -1])
def test_fewer_than_one_seed_is_refused_before_anything_is_scored(scored, seeds: int) -> None:
    with pytest.raises(ConfigError, match=f"seeds is {seeds}; expected 1 or more"):
        run.run_benchmark(TASKS[0].name, seeds)
    assert scored == []


def test_every_seed_is_scored_with_the_same_settings(scored, config: Config) -> None:
    run.run_benchmark(TASKS[0].name, 3, config, "cpu")
    assert scored == [(config, seed, "cpu") for seed in range(3)]


def test_the_table_holds_mean_and_spread_over_seeds(scored) -> None:
    found = run.run_benchmark(TASKS[0].name, 3)
    assert (found["benchmark"], found["title"], found["seeds"]) == (
        TASKS[0].name,
        TASKS[0].title,
        3,
    )
    additive, model = found["table"]
    assert model == {
        "group": "doubles",
        "metric": "slope",
        "model": "gpjepa",
        "mean": pytest.approx(1.5),
        "sd": pytest.approx(1.0),
        "ceiling": pytest.approx(2.0),
        "seeds": 3,
    }
    assert (additive["mean"], additive["sd"], additive["ceiling"]) == (0.25, 0.0, None)


def test_one_seed_has_no_spread(scored) -> None:
    assert [row["sd"] for row in run.run_benchmark(TASKS[0].name, 1)["table"]] == [0.0, 0.0]
