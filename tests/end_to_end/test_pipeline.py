"""The main job through the command, each verb on what the one before it left."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas


def test_every_verb_works_on_what_the_one_before_left(
    command, tiny, screen: Path, tmp_path: Path
) -> None:
    split = ("--split", "unseen-combination")

    checked = command("check", screen, *split, "--json")
    assert checked.code == 0, checked.err
    assert len(checked.document["table"]) == 16
    test = checked.document["split"]["test"]
    assert test
    assert all(label.count("+") == 1 for label in test)

    encoder, run = tmp_path / "encoder", tmp_path / "run"
    pretrained = command("pretrain", screen, "--out", encoder, *split, "--json", *tiny())
    assert pretrained.code == 0, pretrained.err
    assert pretrained.document["steps"] == [6]

    trained = command(
        "train", screen, "--out", run, *split, "--encoder", encoder, "--json", *tiny()
    )
    assert trained.code == 0, trained.err
    assert trained.document["steps"] == [8]
    assert trained.document["test_perturbations"] == len(test)
    assert json.loads((run / "config.json").read_text())["fit"]["encoder"] == "frozen"
    for name in ("history.csv", "history.jsonl", "provenance.json"):
        assert (run / name).exists(), name

    embedded = command("embed", run, screen, "--out", tmp_path / "e.h5ad", "--json")
    assert embedded.code == 0, embedded.err
    z = anndata.read_h5ad(tmp_path / "e.h5ad").obsm["X_gpjepa"]
    assert z.shape == (embedded.document["cells"], 8)
    assert np.isfinite(z).all()

    labels = [word for label in test for word in ("-p", label)]
    predicted = command(
        "predict", run, *labels, "--cells", 20, "--out", tmp_path / "p.h5ad", "--json"
    )
    assert predicted.code == 0, predicted.err
    cells = anndata.read_h5ad(tmp_path / "p.h5ad")
    assert cells.n_obs == 20 * len(test)
    assert set(cells.obs["perturbation"].astype(str)) == set(test)
    assert cells.X.dtype == np.int32

    evaluated = command("evaluate", run, "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.document["simulated"] is True
    assert {path.name for path in (run / "evaluation").iterdir()} == {
        "metrics.csv",
        "metrics.json",
        "curves.csv",
        "spread.csv",
        "responders.csv",
        "effects.csv",
        "populations.csv",
        "histograms.csv",
        "latent.csv",
        "screen.csv",
        "summary.json",
    }
    effects = pandas.read_csv(run / "evaluation" / "effects.csv")
    assert set(effects["perturbation"]) == set(test)
    assert effects[["observed", "predicted", "low", "high", "additive"]].notna().all(axis=None)

    reported = command("report", run, "--out", tmp_path / "report.html", "--json")
    assert reported.code == 0, reported.err
    page = (tmp_path / "report.html").read_text()
    assert all(label in page for label in test)
    again = command("report", run, "--out", tmp_path / "report.html", "--json")
    assert (again.code, again.document["error"]["type"]) == (2, "OutputExistsError")

    described = command("info", run, "--json")
    assert described.code == 0, described.err
    assert described.document["split"]["test"] == test
    assert described.document["data"]["simulated"] is True


def test_without_an_encoder_stage_a_comes_first(trained: Path) -> None:
    history = pandas.read_csv(trained / "history.csv")
    assert list(dict.fromkeys(history["stage"])) == ["pretrain", "fit"]
    assert set(history["set"]) == {"train", "validation"}


def test_a_run_predicts_without_its_data(command, trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    copy.mkdir()
    names = ["model.safetensors", "config.json", "genes.json", "vocabulary.json"]
    for name in (*names, "calibration.json", "evidence.safetensors", "controls.h5ad"):
        (copy / name).write_bytes((trained / name).read_bytes())
    label = json.loads((trained / "split.json").read_text())["test"][0]
    outcome = []
    for run, out in ((trained, "a.h5ad"), (copy, "b.h5ad")):
        done = command("predict", run, "-p", label, "--cells", 30, "--out", tmp_path / out)
        assert done.code == 0, done.err
        outcome.append(anndata.read_h5ad(tmp_path / out))
    assert (outcome[0].X != outcome[1].X).nnz == 0


def test_the_same_command_gives_the_same_model_file(
    command, tiny, screen: Path, trained: Path, tmp_path: Path
) -> None:
    split = ("--split", "unseen-combination", "--device", "cpu")
    for seed, equal in ((0, True), (1, False)):
        out = tmp_path / str(seed)
        done = command("train", screen, "--out", out, *split, "--seed", seed, *tiny())
        assert done.code == 0, done.err
        same = (out / "model.safetensors").read_bytes() == (
            trained / "model.safetensors"
        ).read_bytes()
        assert same is equal
