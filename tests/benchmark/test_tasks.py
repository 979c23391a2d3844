from __future__ import annotations

import pytest

from gpjepa.benchmark.tasks import INSIGHTS, TASKS, find_task
from gpjepa.core.errors import ConfigError
from gpjepa.data import datasets

ASKED = {
    "norman-distances",
    "norman-effects",
    "norman-k562",
    "norman-singles",
    "papalexi-thp1",
    "kang-pbmc",
    "semi-synthetic",
    "simulated",
}


def test_every_benchmark_is_there_once_and_has_its_own_parts() -> None:
    names = [task.name for task in TASKS]
    assert set(names) == ASKED
    assert len(names) == len(ASKED)
    for task in TASKS:
        assert len({part.name for part in task.parts}) == len(task.parts) > 0
        assert len({part.score for part in task.parts}) == len(task.parts)
        assert task.headlines


def test_tasks_name_embedded_data_or_are_simulated_and_say_so() -> None:
    for task in TASKS:
        assert set(task.data) <= set(datasets.names())
        assert task.simulated == ("simulated" in task.title)
        assert task.data or task.simulated


def test_an_unknown_benchmark_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"norman-k56.*norman-k562.*or all"):
        find_task("norman-k56")


@pytest.mark.parametrize("task", [*TASKS, *INSIGHTS], ids=lambda task: task.name)
def test_parts_that_score_differently_are_never_taken_for_each_other_in_the_cache(task) -> None:
    names = [(part.score.__module__, part.score.__name__) for part in task.parts]
    assert len(set(names)) == len({id(part.score) for part in task.parts}) == len(names)
