from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

from gpjepa.api.model import GPJEPA
from gpjepa.api.plan import virtual_screen_perturbations
from gpjepa.api.plan_request import GoalRequest, SetRequest
from gpjepa.api.plan_run import beside_of, plan_file, slug
from gpjepa.api.plan_settings import Search
from gpjepa.cli.main import run as command
from gpjepa.core.errors import OutputExistsError

CHOSEN = Search(cells=16, budget=15, top=5, seed=2)
GOAL = GoalRequest(condition="C+D")
PLANNERS = {"cem", "exhaustive", "greedy", "beam", "random"}  # the budget is that of all 15 sets


@pytest.fixture(scope="module")
def planned(run, options, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("plan") / "plan.csv"
    told = plan_file(run, out, GOAL, SetRequest(), CHOSEN, options, compare=True)
    return out, told


def test_the_files_of_a_plan_lie_beside_each_other(planned, run) -> None:
    out, told = planned
    table = pandas.read_csv(out)
    assert table["set"].tolist() == [row["set"] for row in told["table"]]
    trace = pandas.read_csv(out.with_name("plan.trace.csv"))
    assert set(trace["planner"]) == PLANNERS
    document = json.loads(out.with_suffix(".json").read_text())
    kept = run / "plans" / "C+D.json"
    assert json.loads(kept.read_text()) == document
    assert told["kept"] == str(kept)
    assert {row["planner"] for row in told["comparison"]} == PLANNERS


def test_the_file_says_what_the_python_call_says(planned, run, screen) -> None:
    found = virtual_screen_perturbations(
        GPJEPA.load(run, "cpu"), "C+D", data=screen, cells=16, budget=15, top=5, seed=2
    )
    table = pandas.read_csv(planned[0])
    for column in ("energy", "energy_se", "low", "high", "closed", "additive_energy", "novelty"):
        assert table[column].to_numpy() == pytest.approx(found.table[column].to_numpy(), rel=1e-4)
    assert table["set"].tolist() == found.table["set"].tolist()
    assert table["verdict"].tolist() == found.table["verdict"].tolist()


def test_experiments_to_make_next_are_written_beside_the_plan(run, options, tmp_path) -> None:
    out = tmp_path / "p.csv"
    told = plan_file(run, out, GOAL, SetRequest(), CHOSEN, options, more=2, keep=False)
    table = pandas.read_csv(tmp_path / "p.next.csv")
    assert told["next_out"] == str(tmp_path / "p.next.csv")
    assert table["purpose"].tolist() == ["goal", "goal", "model", "model"]
    document = json.loads((tmp_path / "p.json").read_text())
    assert [row["perturbation"] for row in document["next"]] == table["perturbation"].tolist()
    assert document["next"][2]["energy"] is None


def test_an_existing_file_is_refused_before_anything_is_read(planned, options) -> None:
    with pytest.raises(OutputExistsError, match="exists already"):
        plan_file(Path("no-run"), planned[0], GOAL, SetRequest(), CHOSEN, options)


def test_a_plan_need_not_be_kept(run, options, tmp_path: Path) -> None:
    told = plan_file(
        run, tmp_path / "p.csv", GOAL, SetRequest(), CHOSEN, options, keep=False, name="hidden"
    )
    assert told["kept"] is None
    assert not (run / "plans" / "hidden.json").exists()
    assert told["comparison"] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("C+D", "C+D"), ("from A to B", "from-A-to-B"), ("../../x", "x"), ("///", "plan")],
)
def test_a_name_becomes_that_of_a_file(name: str, expected: str) -> None:
    assert slug(name) == expected
    assert beside_of(Path("a/b.csv"), "trace") == Path("a/b.trace.csv")


def test_the_command_writes_a_plan_and_names_what_is_wrong(run, tmp_path: Path, capsys) -> None:
    out = tmp_path / "plan.csv"
    quick = ["--cells", "8", "--budget", "9", "--device", "cpu", "--no-report"]
    assert command(["plan", str(run), "--goal-condition", "C+D", "--out", str(out), *quick]) == 0
    assert "the sum of single shifts would have chosen" in capsys.readouterr().out
    bad = {
        2: ["--goal-condition", "C+D", "--require", "A", "--forbid", "A"],
        3: ["--goal", str(tmp_path / "none.h5ad")],
        4: ["--goal-condition", "Z9"],
    }
    for code, arguments in bad.items():
        other = str(tmp_path / f"{code}.csv")
        assert command(["plan", str(run), *arguments, "--out", other, *quick]) == code
    assert "'Z9' is not known" in capsys.readouterr().err
