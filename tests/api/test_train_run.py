from __future__ import annotations

import hashlib
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
import torch
from safetensors import safe_open

from gpjepa.api import train_run as module
from gpjepa.api.options import RoleOptions
from gpjepa.api.train_run import pretrain_run
from gpjepa.core.config import Config
from gpjepa.core.errors import CheckpointError, ConfigError, DataError, OutputExistsError

FILES = {
    "model.safetensors",
    "config.json",
    "genes.json",
    "vocabulary.json",
    "calibration.json",
    "evidence.safetensors",
    "provenance.json",
    "split.json",
    "history.csv",
    "history.jsonl",
    "controls.h5ad",
    "data.json",
    "checkpoints",
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tensors(path: Path) -> dict[str, torch.Tensor]:
    with safe_open(path, framework="pt") as stream:
        names = list(stream.keys())
        return {name: stream.get_tensor(name) for name in names}


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def interrupt_at(monkeypatch):
    """Return a function that sends SIGINT to this process at a step of a stage."""

    def install(stage: str, step: int) -> None:
        real = module.training_session

        def patched(*args):
            context = real(*args)

            class Wrapped:
                def __enter__(self):
                    def watch(outlook) -> None:
                        if (outlook.stage, outlook.step) == (stage, step):
                            os.kill(os.getpid(), signal.SIGINT)

                    return replace(context.__enter__(), watch=watch)

                def __exit__(self, *error):
                    return context.__exit__(*error)

            return Wrapped()

        monkeypatch.setattr(module, "training_session", patched)

    yield install
    monkeypatch.undo()


def test_a_run_directory_holds_what_it_should(train, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(run)
    assert {path.name for path in run.iterdir()} == FILES
    assert json.loads((run / "config.json").read_text())["encoder"]["latent"] == 8
    assert json.loads((run / "provenance.json").read_text())["seed"] == 0


def test_history_holds_both_stages_and_both_files_agree(run: Path) -> None:
    table = pandas.read_csv(run / "history.csv", float_precision="round_trip")
    lines = [json.loads(x) for x in (run / "history.jsonl").read_text().splitlines()]
    assert table.to_dict(orient="records") == lines
    assert list(table.columns) == ["stage", "epoch", "step", "set", "term", "value", "weighted"]
    assert list(dict.fromkeys(table["stage"])) == ["pretrain", "fit"]


def test_the_summary_counts(train, tmp_path: Path) -> None:
    found = train(tmp_path / "run")
    assert found["cells"] == 388
    assert (found["training_perturbations"], found["test_perturbations"]) == (7, 3)
    assert found["steps"] == [6, 8]


@pytest.mark.parametrize(("stage", "step"), [("pretrain", 4), ("fit", 5)])
def test_an_interrupted_run_is_resumed_to_the_same_bytes(
    train, run: Path, tmp_path: Path, interrupt_at, monkeypatch, stage: str, step: int
) -> None:
    out = tmp_path / "run"
    interrupt_at(stage, step)
    with pytest.raises(KeyboardInterrupt):
        train(out)
    assert (out / "checkpoints" / f"{stage}.safetensors").exists()
    assert not (out / "model.safetensors").exists()
    monkeypatch.undo()
    train(out, resume=True)
    assert digest(out / "model.safetensors") == digest(run / "model.safetensors")
    for name in ("history.csv", "history.jsonl", "calibration.json", "split.json"):
        assert (out / name).read_bytes() == (run / name).read_bytes()


def test_a_finished_run_that_is_resumed_stays_the_same(train, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(out)
    before = digest(out / "model.safetensors")
    train(out, resume=True)
    assert digest(out / "model.safetensors") == before


@pytest.mark.parametrize("change", ["seed", "config", "data", "split", "roles", "encoder"])
def test_another_run_is_not_resumed_and_nothing_is_written(
    train, tiny, tmp_path: Path, options, run: Path, change: str
) -> None:
    out = tmp_path / "run"
    train(out)
    other = tmp_path / "other.h5ad"
    cells = tiny.make_cells(1, control=100, perturbed=24)
    cells.obs["batch"] = ["x", "y"] * (cells.n_obs // 2)
    cells.write_h5ad(other)
    frozen = tiny.make_config(fit={"encoder": "finetune"})
    changed = {
        "seed": {"options": replace(options, seed=1)},
        "config": {"config": tiny.make_config(fit={"learning_rate": 1e-3})},
        "data": {"source": str(other)},
        "split": {"split": "unseen-combination"},
        "roles": {"source": str(other), "roles": RoleOptions(batch="batch")},
        "encoder": {"encoder": run, "config": frozen},
    }[change]
    before = listing(out)
    with pytest.raises(CheckpointError, match="is of another run"):
        train(out, resume=True, **changed)
    assert listing(out) == before


def test_nothing_to_resume_is_refused(train, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoints; expected an interrupted run"):
        train(tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_a_forced_run_that_is_refused_leaves_the_old_one(train, tmp_path: Path, options) -> None:
    out = tmp_path / "run"
    train(out)
    before = listing(out)
    bad = tmp_path / "bad.h5ad"
    bad.write_text("no data")
    with pytest.raises(OutputExistsError):
        train(out)
    with pytest.raises(DataError):
        train(out, source=str(bad), options=replace(options, force=True))
    assert listing(out) == before


def test_a_forced_run_replaces_the_old_one_and_nothing_else(
    train, tmp_path: Path, options, run: Path
) -> None:
    out = tmp_path / "run"
    train(out, options=replace(options, seed=3))
    (out / "notes.txt").write_text("mine")
    (out / "evaluation").mkdir()
    train(out, options=replace(options, force=True))
    assert digest(out / "model.safetensors") == digest(run / "model.safetensors")
    assert {path.name for path in out.iterdir()} == FILES | {"notes.txt"}


@pytest.fixture(scope="module")
def pretrained(source, split_file, tiny, options, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("encoder") / "run"
    pretrain_run(
        str(source),
        out,
        roles=RoleOptions(),
        split=str(split_file),
        config=tiny.make_config(),
        options=options,
    )
    return out


def test_an_encoder_of_the_same_split_is_accepted_and_frozen_by_default(
    train, tiny, pretrained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    found = train(out, encoder=pretrained)
    assert found["steps"] == [8]
    settings = json.loads((out / "config.json").read_text())
    assert settings["fit"]["encoder"] == "frozen"
    ours, theirs = tensors(out / "model.safetensors"), tensors(pretrained / "model.safetensors")
    for name, value in theirs.items():
        assert torch.equal(ours[name if name.startswith("teacher.") else f"model.{name}"], value)


def test_finetuning_a_given_encoder_is_chosen_by_name(
    train, tiny, pretrained: Path, tmp_path: Path
) -> None:
    chosen = Config(**{**tiny.make_config().model_dump(exclude_unset=True)}).override(
        ["fit.encoder=finetune"]
    )
    train(tmp_path / "run", encoder=pretrained, config=chosen)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["fit"]["encoder"] == (
        "finetune"
    )


def test_the_frozen_default_survives_other_settings(
    train, tiny, pretrained: Path, tmp_path: Path
) -> None:
    chosen = tiny.make_config().override(["fit.learning_rate=0.001"])
    train(tmp_path / "run", encoder=pretrained, config=chosen)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["fit"]["encoder"] == "frozen"


def test_the_width_of_a_given_encoder_is_taken_over(
    train, tiny, pretrained: Path, tmp_path: Path
) -> None:
    train(tmp_path / "run", encoder=pretrained, config=tiny.make_config(encoder={"latent": 12}))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["encoder"]["latent"] == 8


@pytest.mark.parametrize("split", ["none", "unseen-combination"])
def test_an_encoder_of_another_split_of_the_same_cells_is_refused(
    train, pretrained: Path, tmp_path: Path, split: str
) -> None:
    with pytest.raises(CheckpointError, match="pretrained on another split of the same cells"):
        train(tmp_path / "run", encoder=pretrained, split=split)
    assert not (tmp_path / "run").exists()


def test_an_interrupted_pretraining_is_resumed_to_the_same_bytes(
    source, split_file, tiny, options, pretrained: Path, tmp_path: Path, interrupt_at, monkeypatch
) -> None:
    given = {"roles": RoleOptions(), "split": str(split_file), "config": tiny.make_config()}
    out = tmp_path / "run"
    interrupt_at("pretrain", 4)
    with pytest.raises(KeyboardInterrupt):
        pretrain_run(str(source), out, options=options, **given)
    monkeypatch.undo()
    pretrain_run(str(source), out, options=options, resume=True, **given)
    assert digest(out / "model.safetensors") == digest(pretrained / "model.safetensors")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    frame = pandas.DataFrame({"x": [1.0, 2.0, 0.5], "y": [0.0, 1.0, 2.0]}, index=list("ABX"))
    frame.to_csv(tmp_path / "esm2.csv")
    return tmp_path / "esm2.csv"


def test_feature_tables_are_told_and_recorded_with_their_checksums(
    train, tmp_path: Path, table: Path, options, capsys
) -> None:
    train(tmp_path / "run", features=[table], options=replace(options, announce=True))
    told = capsys.readouterr().err
    assert "esm2.csv covers 2 of 6 perturbed genes; missing: C, D, E, F" in told
    assert "warning: esm2.csv covers few of the perturbed genes" in told
    made = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert made["features"] == [{"file": "esm2.csv", "sha256": digest(table)}]
    (record,) = json.loads((tmp_path / "run" / "data.json").read_text())["features"]
    assert (record["covered"], record["missing"]) == (2, ["C", "D", "E", "F"])
    names = json.loads((tmp_path / "run" / "vocabulary.json").read_text())["members"]
    assert "X" in names


def test_a_resumed_run_remembers_its_feature_tables(train, tmp_path: Path, table: Path) -> None:
    out = tmp_path / "run"
    train(out, features=[table])
    before = digest(out / "model.safetensors")
    train(out, resume=True)
    assert digest(out / "model.safetensors") == before
    table.write_text(table.read_text().replace("0.5", "0.6"))
    with pytest.raises(CheckpointError, match=r"esm2.csv' is not there or has changed"):
        train(out, resume=True)
    with pytest.raises(CheckpointError):
        train(out, resume=True, features=[table])
