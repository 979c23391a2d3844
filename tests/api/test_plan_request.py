from __future__ import annotations

from pathlib import Path

import pytest
from anndata import AnnData

from gpjepa.api.goals import Direction, Signature
from gpjepa.api.plan_request import GoalRequest, SetRequest
from gpjepa.core.errors import ConfigError, DataError


def test_each_kind_of_goal_is_what_the_python_call_takes(source: Path, tmp_path: Path) -> None:
    assert isinstance(GoalRequest(file=source).goal(), AnnData)
    assert GoalRequest(condition="A+B").goal() == "A+B"
    assert GoalRequest(cell_type="B cell").goal() == "cell_type=B cell"
    assert GoalRequest(away_from="A", towards="B").goal() == Direction("A", "B")
    weights = tmp_path / "s.csv"
    weights.write_text("gene1,1\n")
    assert GoalRequest(signature=weights).goal() == Signature({"gene1": 1.0})


def test_the_end_of_a_direction_may_be_a_file(source: Path) -> None:
    goal = GoalRequest(away_from=str(source), towards="control").goal()
    assert isinstance(goal.away_from, AnnData)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (GoalRequest(), "0 goals are given .none"),
        (
            GoalRequest(condition="A", cell_type="B"),
            "2 goals are given .--goal-condition, --goal-cell-type",
        ),
        (GoalRequest(away_from="A"), "expected --away-from and --towards"),
        (GoalRequest(towards="A"), "expected --away-from and --towards"),
    ],
)
def test_exactly_one_goal_is_asked_for(request_: GoalRequest, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        request_.goal()


def test_names_are_looked_up_in_the_training_file(run: Path) -> None:
    found = GoalRequest(condition="A+B").cells(run)
    assert found is not None
    assert "A+B" in found.perturbations


def test_data_may_be_a_pattern(run: Path, source: Path) -> None:
    found = GoalRequest(condition="A+B", data=str(source.parent / f"{source.stem}*")).cells(run)
    assert found is not None
    assert "A+B" in found.perturbations


def test_no_data_are_read_where_no_name_needs_them(run: Path, source: Path) -> None:
    assert GoalRequest(file=source).cells(run) is None
    assert GoalRequest(condition="ctrl").cells(run) is None
    assert GoalRequest(away_from=str(source), towards="control").cells(run) is None


def test_data_that_are_not_there_are_asked_for(saved: Path, run: Path) -> None:
    with pytest.raises(DataError, match="does not record its data.*--data"):
        GoalRequest(condition="A").cells(saved)
    with pytest.raises(DataError, match="'none.h5ad', where 'A' would be found, is not there"):
        GoalRequest(condition="A", data="none.h5ad").cells(run)


def test_lists_come_from_files_and_from_commas(tmp_path: Path) -> None:
    names = tmp_path / "genes.txt"
    names.write_text("# essential\nA\nB,0.5\n\nC\tx\n")
    asked = SetRequest(candidates=[str(names), "D,E"], forbidden=["A+B", "F"]).constraints()
    assert asked.candidates == ["A", "B", "C", "D", "E"]
    assert asked.forbidden == ["A+B", "F"]
    assert SetRequest().constraints().candidates is None
    assert SetRequest(candidates=["all"]).constraints().candidates == "all"


def test_costs_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cost.csv"
    path.write_text("gene,cost\nA,2.5\n")
    asked = SetRequest(cost=path, most_cost=3).constraints()
    assert (asked.cost, asked.most_cost) == ({"A": 2.5}, 3)
