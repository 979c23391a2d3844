from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from gpjepa.core.errors import CheckpointError
from gpjepa.report import render
from gpjepa.report.run import AXES, read_run


def without_axis(run: Path, axis: str) -> None:
    path = run / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    table[table["axis"] != axis].to_csv(path, index=False)


@pytest.mark.parametrize("axis", AXES)
def test_a_run_without_one_of_the_axes_is_refused(
    axis: str, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run()
    without_axis(run, axis)
    with pytest.raises(CheckpointError, match=f"no score of gpjepa on the axis {axis};") as caught:
        render(run, tmp_path / "r.html")
    assert "gpjepa evaluate run" in str(caught.value)
    assert not (tmp_path / "r.html").exists()


def test_an_axis_on_which_only_baselines_are_scored_is_missing(
    make_run: Callable[..., Path],
) -> None:
    run = make_run()
    path = run / "evaluation" / "metrics.csv"
    table = pd.read_csv(path)
    own = (table["axis"] == "generative") & (table["model"] == "gpjepa")
    table.loc[own, "value"] = float("nan")
    table.to_csv(path, index=False)
    with pytest.raises(CheckpointError, match="axis generative"):
        read_run(run)


def test_all_missing_files_are_named_with_what_to_run(make_run: Callable[..., Path]) -> None:
    run = make_run()
    (run / "evaluation" / "effects.csv").unlink()
    (run / "evaluation" / "summary.json").unlink()
    with pytest.raises(CheckpointError) as caught:
        read_run(run)
    message = str(caught.value)
    assert "evaluation/effects.csv, evaluation/summary.json" in message
    assert "`gpjepa evaluate run`" in message
    assert "--resume" not in message
    (run / "history.csv").unlink()
    with pytest.raises(CheckpointError, match=r"history\.csv.*--resume"):
        read_run(run)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no-run' does not exist"):
        read_run(tmp_path / "no-run")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_document_that_is_no_json_object_is_refused(
    text: str, make_run: Callable[..., Path]
) -> None:
    run = make_run()
    (run / "split.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"split\.json .*expected a JSON object"):
        read_run(run)


def test_the_model_is_gpjepa_or_else_the_first_one(make_run: Callable[..., Path]) -> None:
    run = make_run()
    assert read_run(run).model == "gpjepa"
    path = run / "evaluation" / "metrics.csv"
    path.write_text(path.read_text().replace("gpjepa", "GEARS"))
    assert read_run(run).model == "GEARS"


def test_the_record_of_the_data_may_be_absent(make_run: Callable[..., Path]) -> None:
    run = make_run()
    assert read_run(run).data["name"] == "norman_k562.h5ad"
    (run / "data.json").unlink()
    assert read_run(run).data == {}
    (run / "provenance.json").write_text(json.dumps({}))
    assert read_run(run).provenance == {}
