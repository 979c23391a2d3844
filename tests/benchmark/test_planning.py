from __future__ import annotations

import numpy as np
import pytest

from gpjepa.benchmark import planning
from gpjepa.benchmark.held_out import trained
from gpjepa.benchmark.task import MODEL
from gpjepa.benchmark.tasks import find_task
from gpjepa.data.perturbseq import read
from gpjepa.planning.planted import planted
from gpjepa.planning.random_search import RandomSearch


def value(scores, group: str, metric: str, model: str) -> float:
    rows = scores[(scores["group"] == group) & (scores["metric"] == metric)]
    return float(rows.set_index("model").loc[model, "value"])


@pytest.fixture(scope="module")
def scores(tiny):
    data = read(tiny.make_cells(), announce=False)
    split = tiny.make_split(data)
    model = trained(data, split, tiny.make_config(), 0, "cpu")
    return planning.score_trial(model, data, split, planning.Trial(2, 4, 0.8), 0)


def test_all_planners_have_the_same_budget_and_the_oracle_scores_everything(scores) -> None:
    group = "sizes ≤ 2"
    everything = value(scores, group, "evaluations", planning.ORACLE)
    for name in (planning.SUMS, *planning.planners()):
        assert 0 < value(scores, group, "evaluations", name) <= 0.8 * everything
        assert 0 <= value(scores, group, "same_set", name) <= value(scores, group, "found", name)
    assert value(scores, group, "found", planning.ORACLE) == 1


def test_goals_of_both_kinds_are_told_apart(scores) -> None:
    rows = scores[(scores["metric"] == "found") & (scores["model"] == MODEL)].set_index("group")
    assert rows["n"].to_dict() == {
        "sizes ≤ 2, cells of held-out doubles": 2,
        "sizes ≤ 2, random latents": 2,
        "sizes ≤ 2": 4,
    }
    assert rows["value"].iloc[:2].mean() == pytest.approx(rows["value"].iloc[2])


@pytest.mark.parametrize("group", [planning.EASY, planning.HARD])
def test_planted_sets_are_searched_for_by_all(group) -> None:
    found = planning.score_planted(group, 0, runs=2, genes=30, budget=300)
    assert value(found, group, "found", MODEL) == 1
    assert value(found, group, "evaluations", MODEL) <= 300
    more = {planning.PARTNERS} if group == planning.HARD else set()
    assert set(found["model"]) == set(planning.planners()) | more


def test_evaluations_are_counted_up_to_the_planted_set() -> None:
    problem = planted(12, planning.LATENT, 3, 0)
    run = planning.search_planted(problem, RandomSearch(chunk=7), 1000, 3)
    objective = planning.UntilReached(problem)
    ledger = planning.Ledger(problem.objective(), problem.space(3), 1000)
    RandomSearch(chunk=7)(ledger, 3)
    assert run.found
    assert run.evaluations == int(np.argmax(ledger.energies <= objective.limit)) + 1


def test_the_benchmark_is_known_by_name() -> None:
    task = find_task("planning")
    assert [part.name for part in task.parts][:2] == ["sets of two", "sets of three"]
    assert {each.metric for each in task.headlines} == {"found"}
