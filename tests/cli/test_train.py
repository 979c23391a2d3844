from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gpjepa.core.errors import CheckpointError

WHERE = "gpjepa.api.workflow.train_run"


def test_every_option_reaches_the_workflow(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {"epochs": 3})
    roles = "--perturbation p --control c --layer l --library s --batch b --cell-type t --dose d "
    roles += "--modality m"
    rest = "--seed 5 --device cpu --threads 2 --force --encoder enc --resume --context-column x"
    done = command(
        "train", "d.h5ad", "--out", "run", "--split", "gears", *roles.split(), *rest.split()
    )
    assert done.code == 0, done.err
    (call,) = calls
    assert (call["source"], call["out"], call["split"]) == ("d.h5ad", Path("run"), "gears")
    assert (call["encoder"], call["resume"], call["context_column"]) == (Path("enc"), True, "x")
    roles = call["roles"]
    assert (roles.perturbation, roles.control, roles.layer, roles.library) == ("p", "c", "l", "s")
    assert (roles.batch, roles.cell_type, roles.dose) == ("b", "t", "d")
    assert roles.modality == "m"
    options = call["options"]
    assert (options.seed, options.device, options.threads) == (5, "cpu", 2)
    assert (options.force, options.progress) == (True, False)


def test_settings_win_over_the_file_and_the_head_over_both(
    command: Any, replace: Any, tmp_path: Path
) -> None:
    calls = replace(WHERE, {})
    file = tmp_path / "c.toml"
    file.write_text("[fit]\nepochs = 9\npatience = 3\n")
    done = command(
        *("train", "d.h5ad", "--out", "run", "--config", file),
        *("--set", "fit.epochs=4", "--set", "encoder.latent=8", "--head", "variational"),
    )
    assert done.code == 0, done.err
    config = calls[0]["config"]
    assert (config.fit.epochs, config.fit.patience, config.encoder.latent) == (4, 3, 8)
    assert config.head.kind == "variational"


def test_an_unknown_setting_is_a_usage_error_and_nothing_is_trained(
    command: Any, replace: Any
) -> None:
    calls = replace(WHERE, {})
    done = command("train", "d.h5ad", "--out", "run", "--set", "fit.epoch=4")
    assert (done.code, calls) == (2, [])
    assert "'fit.epoch' is not known" in done.err
    assert "did you mean 'epochs'?" in done.err


def test_a_head_that_does_not_exist_is_refused(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {})
    done = command("train", "d.h5ad", "--out", "run", "--head", "crystal-ball")
    assert (done.code, calls) == (2, [])
    assert "head.kind" in done.err


@pytest.mark.parametrize("head", ["variational", "diffusion", "flow", "auto"])
def test_every_head_can_be_asked_for(command: Any, replace: Any, head: str) -> None:
    calls = replace(WHERE, {})
    assert command("train", "d.h5ad", "--out", "run", "--head", head).code == 0
    assert calls[0]["config"].head.kind == head


def test_a_head_that_contradicts_a_setting_is_a_usage_error(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {})
    setting = ("--set", "head.recognition=predictive")
    done = command("train", "d.h5ad", "--out", "run", "--head", "diffusion", *setting)
    assert (done.code, calls) == (2, [])
    assert "leave head.recognition out" in done.err


def test_the_summary_is_one_json_document(command: Any, replace: Any) -> None:
    replace(WHERE, {"epochs": 3, "loss": float("nan"), "out": Path("run")})
    done = command("train", "d.h5ad", "--out", "run", "--json")
    assert json.loads(done.out) == {"epochs": 3, "loss": None, "out": "run"}
    assert done.err == ""


def test_ctrl_c_exits_with_130(command: Any, replace: Any) -> None:
    replace(WHERE, KeyboardInterrupt())
    done = command("train", "d.h5ad", "--out", "run")
    assert done.code == 130
    assert done.err == "error: interrupted\n"


def test_sigterm_while_training_is_an_interrupt(
    command: Any, replace: Any, monkeypatch: Any
) -> None:
    replace(WHERE, {})
    monkeypatch.setattr(WHERE, lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    assert command("train", "d.h5ad", "--out", "run").code == 130


def test_an_encoder_of_another_split_is_a_bad_model(command: Any, replace: Any) -> None:
    replace(WHERE, CheckpointError("encoder saw the test cells; expected none; pretrain again"))
    done = command("train", "d.h5ad", "--out", "run", "--encoder", "other")
    assert done.code == 4
    assert done.err == "error: encoder saw the test cells; expected none; pretrain again\n"


def test_feature_tables_reach_the_workflow_in_order(command: Any, replace: Any) -> None:
    calls = replace(WHERE, {})
    rest = ("--features", "esm2.csv", "--features", "string.npz")
    done = command("train", "d.h5ad", "--out", "run", *rest)
    assert done.code == 0, done.err
    assert calls[0]["features"] == [Path("esm2.csv"), Path("string.npz")]
    command("train", "d.h5ad", "--out", "run")
    assert calls[1]["features"] == ()
