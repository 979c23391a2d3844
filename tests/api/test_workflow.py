from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest

from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RoleOptions
from gpjepa.api.workflow import (
    check_file,
    describe_run,
    embed_file,
    evaluate_files,
    predict_file,
)
from gpjepa.core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    OutputExistsError,
    VocabularyError,
)


def test_checking_tells_roles_and_what_can_be_measured(source: Path, options) -> None:
    found = check_file(str(source), RoleOptions(), "unseen-combination", options)
    assert any("perturbation" in line for line in found["roles"])
    assert (found["cells"], found["genes"]) == (388, 24)
    assert {row["perturbation"] for row in found["table"]} >= {"A", "C+D"}
    assert {row["cells"] for row in found["table"]} == {24}
    assert all("+" in label for label in found["split"]["test"])
    assert "leaks" not in check_file(str(source), RoleOptions(), None, options)


def test_a_perturbation_with_one_cell_is_reported_and_not_fatal(tiny, tmp_path, options) -> None:
    cells = tiny.make_cells()
    labels = cells.obs["perturbation"].to_numpy()
    cells = cells[(labels != "F") | (np.cumsum(labels == "F") == 1)].copy()
    cells.write_h5ad(tmp_path / "d.h5ad")
    found = check_file(str(tmp_path / "d.h5ad"), RoleOptions(), None, options)
    assert "labels with one cell: 1 (first: 'F')" in found["problems"]
    (row,) = (row for row in found["table"] if row["perturbation"] == "F")
    assert row["cells"] == 1


def test_checking_tells_that_no_gene_can_be_measured(tiny, tmp_path, options) -> None:
    cells = tiny.make_cells()
    cells[:, ["A"]].copy().write_h5ad(tmp_path / "one.h5ad")
    problems = check_file(str(tmp_path / "one.h5ad"), RoleOptions(), None, options)["problems"]
    assert "are not perturbed: 0; with fewer than 2 no effect can be measured" in problems[-1]


def test_checking_tells_what_feature_tables_cover_and_which_would_be_refused(
    source: Path, options, tmp_path: Path
) -> None:
    texts = {
        "most.csv": "gene,x\nA,1\nB,2\nC,3\nD,1\n",
        "few.csv": "gene,x\nA,1\nTP53,2\n",
        "none.csv": "gene,x\nTP53,1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in texts]
    plain = check_file(str(source), RoleOptions(), None, options)
    found = check_file(str(source), RoleOptions(), None, options, features=paths)
    assert found["features"] == [
        "features: most.csv covers 4 of 6 perturbed genes; missing: E, F",
        "features: few.csv covers 1 of 6 perturbed genes; missing: B, C, D, E, F",
        "features: none.csv covers 0 of 6 perturbed genes; missing: A, B, C, D, E, F",
    ]
    first, second, third = found["problems"][len(plain["problems"]) :]
    assert first.startswith("few.csv covers few of the perturbed genes")
    assert second.startswith("none.csv covers few of the perturbed genes")
    assert third.startswith("none.csv: a feature table of 1 names (TP53) covers none of the 6")
    assert "features" not in plain
    (tmp_path / "bad.csv").write_text("gene,x\nA,nan\n")
    with pytest.raises(DataError, match="no finite number"):
        check_file(str(source), RoleOptions(), None, options, features=[tmp_path / "bad.csv"])


def test_embedding_adds_the_latents_to_a_copy_of_the_file(run, source, options, tmp_path) -> None:
    found = embed_file(run, str(source), tmp_path / "e.h5ad", options)
    written, given = anndata.read_h5ad(tmp_path / "e.h5ad"), anndata.read_h5ad(source)
    expected = GPJEPA.load(run, "cpu").embed(given)
    assert np.array_equal(written.obsm["X_gpjepa"], expected)
    assert written.obs_names.equals(given.obs_names)
    assert (written.X != given.X).nnz == 0
    assert (found["cells"], found["latent"]) == (388, 8)
    with pytest.raises(OutputExistsError):
        embed_file(run, str(source), tmp_path / "e.h5ad", options)


def test_a_run_trained_from_a_layer_and_library_embeds_from_them(
    tiny, train, source, tmp_path, options
) -> None:
    cells = anndata.read_h5ad(source)
    cells.layers["mine"] = cells.X.copy()
    cells.X = np.log1p(cells.X.toarray())
    cells.obs["sums"] = cells.obs.pop("total_counts")
    cells.write_h5ad(tmp_path / "odd.h5ad")
    roles = RoleOptions(layer="mine", library="sums")
    train(tmp_path / "run", source=str(tmp_path / "odd.h5ad"), roles=roles)
    embed_file(tmp_path / "run", str(tmp_path / "odd.h5ad"), tmp_path / "e.h5ad", options)
    plain = GPJEPA.load(tmp_path / "run", "cpu").embed(anndata.read_h5ad(source))
    assert np.array_equal(anndata.read_h5ad(tmp_path / "e.h5ad").obsm["X_gpjepa"], plain)


def test_predicting_writes_counts_and_says_what_to_make_of_them(run, options, tmp_path) -> None:
    out = tmp_path / "p.h5ad"
    found = predict_file(run, ["C+D", "A"], 30, out, "anndata", options)
    written = anndata.read_h5ad(out)
    assert (written.X.dtype, written.shape) == (np.int32, (60, 24))
    assert (found["cells"], found["genes"]) == (60, 24)
    told = {row["perturbation"]: row["verdict"] for row in found["perturbations"]}
    assert told["A"] == "use the model"
    assert set(told) == {"A", "C+D"}


def test_predictions_for_cell_eval_hold_the_control_cells_too(run, options, tmp_path) -> None:
    predict_file(run, ["A"], 30, tmp_path / "p.h5ad", "cell-eval", options)
    labels = anndata.read_h5ad(tmp_path / "p.h5ad").obs["target"].value_counts()
    assert labels["A"] == 30
    assert labels["non-targeting"] == len(GPJEPA.load(run, "cpu").controls)


def test_a_prediction_that_is_refused_writes_nothing(run, options, tmp_path) -> None:
    out = tmp_path / "p.h5ad"
    with pytest.raises(VocabularyError):
        predict_file(run, ["QQQ"], 30, out, "anndata", options)
    with pytest.raises(ConfigError, match="format 'csv' is not known"):
        predict_file(run, ["A"], 30, out, "csv", options)
    assert list(tmp_path.iterdir()) == []
    out.write_text("mine")
    with pytest.raises(OutputExistsError):
        predict_file(run, ["A"], 30, out, "anndata", options)
    assert out.read_text() == "mine"
    predict_file(run, ["A"], 30, out, "anndata", replace(options, force=True))
    assert anndata.read_h5ad(out).n_obs == 30


def test_anyones_predictions_are_scored(run, source, options, tmp_path) -> None:
    predict_file(run, ["C+D", "B+D"], 40, tmp_path / "p.h5ad", "anndata", options)
    cells = anndata.read_h5ad(source)
    cells.obs["perturbation"] = cells.obs["perturbation"].astype(str)
    labels = cells.obs["perturbation"]
    cells[labels.isin(["ctrl", "C+D", "B+D"])].write_h5ad(tmp_path / "o.h5ad")
    out = tmp_path / "scores"
    found = evaluate_files(tmp_path / "p.h5ad", tmp_path / "o.h5ad", None, out, options)
    assert {path.name for path in out.iterdir()} == {"metrics.json", "metrics.csv"}
    assert found["model"] == "predicted"
    assert "representation: not supplied" in found["headline"]
    with pytest.raises(OutputExistsError):
        evaluate_files(tmp_path / "p.h5ad", tmp_path / "o.h5ad", None, out, options)
    files = tmp_path / "p.h5ad", tmp_path / "o.h5ad", None, None, options
    asked = evaluate_files(*files, metrics=["discrimination", "mmd"])
    assert {row["metric"] for row in asked["table"]} == {"discrimination", "mmd"}
    assert asked["headline"].splitlines()[1].startswith("discrimination: ")
    assert "representation: not asked for" in asked["headline"]
    with pytest.raises(ConfigError, match="no metric is named"):
        evaluate_files(*files, values="log1p")


def test_a_run_is_described(run) -> None:
    found = describe_run(run)
    assert found["kind"] == "world model"
    assert (found["data"]["cells"], found["genes"]) == (388, 24)
    assert found["measured_perturbations"] == list("ABCDF")
    assert found["split"]["test"] == ["B+D", "C+D", "E"]
    assert found["rest_of_transcriptome"] is True
    assert found["calibrated"] is False
    assert "versions" in found["provenance"]


def test_a_model_saved_by_itself_is_described_without_data_and_split(saved: Path, model) -> None:
    found = describe_run(saved)
    assert (found["data"], found["split"]) == ("not recorded", "not recorded")
    assert found["kind"] == "world model"
    assert found["genes"] == len(model.bundle.panel.names)


def test_a_damaged_record_of_a_run_is_not_taken_for_a_missing_one(run, tmp_path) -> None:
    for name in ("split.json", "data.json"):
        copy = Path(shutil.copytree(run, tmp_path / name))
        (copy / name).write_text("{}")
        with pytest.raises(CheckpointError, match=name):
            describe_run(copy)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "model.safetensors").unlink(), "has no model.safetensors"),
        (lambda run: (run / "model.safetensors").write_bytes(b"x"), "cannot be read as safetens"),
        (lambda run: (run / "genes.json").write_text("{}"), "genes.json in run .* is damaged"),
        (lambda run: (run / "config.json").write_text("{"), "config.json in run .* cannot be re"),
        (lambda run: (run / "vocabulary.json").write_text("{}"), "vocabulary.json .* is damaged"),
        (lambda run: (run / "calibration.json").unlink(), "calibration.json .* cannot be read"),
        (lambda run: (run / "controls.h5ad").unlink(), "controls.h5ad is missing"),
    ],
)
def test_a_damaged_run_is_named_file_by_file(run, options, tmp_path, damage, message) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    damage(copy)
    with pytest.raises(CheckpointError, match=message):
        predict_file(copy, ["A"], 5, tmp_path / "p.h5ad", "anndata", options)
    assert not (tmp_path / "p.h5ad").exists()


def test_a_file_on_disk_is_embedded_as_one_in_memory(run, source, options, tmp_path) -> None:
    on_disk = replace(options, backed=True)
    embed_file(run, str(source), tmp_path / "m.h5ad", options)
    embed_file(run, str(source), tmp_path / "d.h5ad", on_disk)
    memory, disk = (anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in "md")
    assert np.array_equal(memory.obsm["X_gpjepa"], disk.obsm["X_gpjepa"])
    assert (memory.X != disk.X).nnz == 0
    assert memory.obs.equals(disk.obs)


def test_a_file_on_disk_is_checked_as_one_in_memory(source, options) -> None:
    memory, disk = (
        check_file(str(source), RoleOptions(), "none", replace(options, backed=backed))
        for backed in (False, True)
    )
    assert json.dumps(memory, default=str) == json.dumps(disk, default=str)
