"""Plans of several processes: the bytes that one process writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpjepa.api.run import read_split
from gpjepa.cli.main import run

WORKER = Path(__file__).with_name("plan_worker.py")

SIZES = (
    *("encoder.latent=8", "encoder.hidden=16", "encoder.layers=1"),
    *("perturbation.features=[]", "predictor.width=16", "predictor.heads=2", "predictor.layers=1"),
    *("pretrain.epochs=1", "pretrain.min_steps=6", "pretrain.max_steps=6"),
    *("fit.epochs=1", "fit.min_steps=8", "fit.max_steps=8", "fit.validations=4"),
)
SCREEN = (
    *("free.genes=30", "free.perturbed=8", "free.pairs=10", "free.panel_share=0.3"),
    *("cells.control=100", "cells.perturbed=24", "cells.library_median=600"),
)
WIDE = ("--mode", "population", "--max-size", "4", "--budget", "150", "--top", "6", "--next", "2")
MEAN = ("--budget", "30", "--cells", "20", "--top", "4", "--compare")
QUIET = ("--device", "cpu", "--quiet", "--json")


def settings(changes: tuple[str, ...]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    screen, out = str(folder / "screen.h5ad"), folder / "run"
    assert run(["simulate", "--preset", "free", "--quiet", "--out", screen, *settings(SCREEN)]) == 0
    quiet = ("--split", "unseen-combination", "--quiet", "--device", "cpu")
    assert run(["train", screen, "--out", str(out), *quiet, *settings(SIZES)]) == 0
    return out


def goal_of(run: Path) -> str:
    return next(each for each in read_split(run).train if "+" in each)


def planned(run: Path, out: Path, *more: str) -> list[str]:
    return ["plan", str(run), "--goal-condition", goal_of(run), "--out", str(out), *QUIET, *more]


def written(folder: Path) -> dict[str, bytes]:
    """Return the tables of a folder; the document names the folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


@pytest.mark.slow
@pytest.mark.parametrize("more", [WIDE, MEAN], ids=["population", "mean"])
def test_two_processes_write_the_plan_of_one_once(
    trained: Path, tmp_path: Path, processes: Any, finished: Any, capsys: Any, more: Any
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert run(planned(trained, one / "plan.csv", *more)) == 0
    alone = json.loads(capsys.readouterr().out)
    done = finished(processes(["-m", "gpjepa", *planned(trained, two / "plan.csv", *more)]))
    assert [code for code, _, _ in done] == [0, 0], done
    assert [err for _, _, err in done] == ["", ""]
    assert done[1][1] == ""
    shared = json.loads(done[0][1])
    assert written(one) == written(two)
    assert {"plan.csv", "plan.trace.csv"} <= set(written(two))
    for key in ("table", "comparison", "additive", "evaluations", "notes"):
        assert shared[key] == alone[key], key


@pytest.mark.slow
def test_an_error_of_the_first_process_ends_all(
    trained: Path, tmp_path: Path, processes: Any, finished: Any
) -> None:
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "file" / "plan.csv"
    (code, _, first), (other, _, second) = finished(
        processes(["-m", "gpjepa", *planned(trained, out, *MEAN)])
    )
    assert (code, other) == (1, 1)
    assert "the first process ended with" in second
    assert "the first process ended with" not in first
    assert (tmp_path / "file").read_text() == "no folder"


def test_two_processes_score_sets_to_the_bit_as_one(
    tmp_path: Path, processes: Any, finished: Any
) -> None:
    scores = {}
    for size in (1, 2):
        folder = tmp_path / str(size)
        folder.mkdir()
        done = finished(processes([WORKER, folder], size=size))
        assert [code for code, _, _ in done] == [0] * size, done
        scores[size] = [dict(np.load(folder / f"rank{rank}.npz")) for rank in range(size)]
        assert (folder / "written.txt").read_text() == "once\n"
    alone, (first, second) = scores[1][0], scores[2]
    for found in (first, second):
        np.testing.assert_array_equal(found["energy"], alone["energy"])
        np.testing.assert_array_equal(found["error"], alone["error"])
    assert 0 < second["parts"] <= first["parts"] < alone["parts"]
    assert first["parts"] + second["parts"] == alone["parts"]
