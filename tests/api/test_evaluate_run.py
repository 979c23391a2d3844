from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from gpjepa.api.evaluate_run import evaluate_run
from gpjepa.core.errors import CheckpointError, DataError, OutputExistsError

FILES = {
    "metrics.json",
    "metrics.csv",
    "effects.csv",
    "populations.csv",
    "histograms.csv",
    "latent.csv",
    "screen.csv",
    "curves.csv",
    "spread.csv",
    "responders.csv",
    "summary.json",
}


def test_every_artefact_is_left_behind(evaluated: Path) -> None:
    assert {path.name for path in evaluated.iterdir()} == FILES


def test_the_summary_says_what_was_evaluated(evaluated: Path) -> None:
    found = json.loads((evaluated / "summary.json").read_text())
    assert (found["dataset"], found["simulated"], found["cells"]) == ("screen", False, 388)
    assert found["split"]["test"] == ["B+D", "C+D", "E"]
    assert {row["metric"] for row in found["headline"]} >= {"pearson_delta", "l2", "slope"}
    assert {row["group"] for row in found["headline"]} >= {"combo_seen2"}
    notes = "\n".join(found["notes"])
    assert "held out without training cells or features, not predicted: E" in notes
    assert "effect intervals are uncalibrated: 2 validation perturbations" in notes
    screened = pandas.read_csv(evaluated / "screen.csv")
    assert sum(found["verdicts"].values()) == len(screened) > 0


def test_metrics_compare_the_model_with_the_baselines(evaluated: Path) -> None:
    table = pandas.read_csv(evaluated / "metrics.csv")
    assert {"gpjepa", "no change", "additive", "strong", "training mean"} <= set(table["model"])
    assert {"PCA", "HVG", "multinomial mixture"} <= set(table["model"])
    assert {"depth_overlap_100", "depth_overlap_10"} <= set(table["metric"])
    by_verdict = table[table["metric"].str.startswith("l2: ")]
    assert set(by_verdict["model"]) >= {"gpjepa", "additive", "gpjepa − additive"}
    own = by_verdict[by_verdict["model"] == "gpjepa"]
    assert own["n"].sum() == table[table["metric"] == "l2"]["perturbation"].nunique() - 1
    document = json.loads((evaluated / "metrics.json").read_text())
    assert document["missing_axes"] == []
    assert len(document["table"]) == len(table)


def test_the_same_seed_gives_the_same_files(evaluated: Path, run, options, tmp_path) -> None:
    evaluate_run(run, tmp_path / "again", None, options)
    for name in FILES - {"summary.json"}:
        assert (tmp_path / "again" / name).read_bytes() == (evaluated / name).read_bytes(), name


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def test_an_existing_evaluation_is_refused_without_force(copy: Path, options) -> None:
    (copy / "evaluation").mkdir()
    (copy / "evaluation" / "metrics.json").write_text("old")
    with pytest.raises(OutputExistsError, match="exists already"):
        evaluate_run(copy, None, None, options)
    assert (copy / "evaluation" / "metrics.json").read_text() == "old"
    evaluate_run(copy, None, None, replace(options, force=True))
    assert {path.name for path in (copy / "evaluation").iterdir()} == FILES


def moved(copy: Path, path: str) -> None:
    record = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps({**record, "path": path}))


def test_data_that_moved_are_asked_for_and_found(copy, options, source, tmp_path) -> None:
    moved(copy, "gone.h5ad")
    with pytest.raises(DataError, match="'gone.h5ad' is not there; .* --data"):
        evaluate_run(copy, tmp_path / "out", None, options)
    assert not (tmp_path / "out").exists()
    evaluate_run(copy, tmp_path / "out", str(source), options)
    assert (tmp_path / "out" / "metrics.json").exists()


def test_data_that_changed_are_refused(tiny, copy, options, tmp_path) -> None:
    other = tmp_path / "other.h5ad"
    tiny.make_cells(1, control=100, perturbed=24).write_h5ad(other)
    with pytest.raises(CheckpointError, match="is not the one that the run was trained on"):
        evaluate_run(copy, tmp_path / "out", str(other), options)
    assert not (tmp_path / "out").exists()
