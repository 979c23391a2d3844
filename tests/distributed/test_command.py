"""The command under several processes: training, resuming, prediction, and what it refuses."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas
import pytest
from safetensors.numpy import load_file

from gpjepa.cli.main import run

SIZES = (
    *("encoder.latent=8", "encoder.hidden=16", "encoder.layers=1"),
    *("perturbation.features=[]", "predictor.width=16", "predictor.heads=2", "predictor.layers=1"),
    *("pretrain.epochs=1", "pretrain.min_steps=6", "pretrain.max_steps=6"),
    *("fit.epochs=1", "fit.min_steps=8", "fit.max_steps=8", "fit.validations=4"),
)
SCREEN = (
    *("free.genes=30", "free.perturbed=6", "free.pairs=10", "free.panel_share=0.3"),
    *("cells.control=100", "cells.perturbed=24", "cells.library_median=600"),
)
LONG = ("--set", "fit.min_steps=100000", "--set", "fit.max_steps=100000")
QUIET = ("--split", "unseen-combination", "--quiet", "--device", "cpu")


def settings(changes: tuple[str, ...]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("screen") / "screen.h5ad"
    quiet = ("simulate", "--preset", "free", "--quiet", "--out", str(path))
    assert run([*quiet, *settings(SCREEN)]) == 0
    return path


def training(screen: Path, out: Path, *more: str) -> list[str]:
    fixed = ("-m", "gpjepa", "train", str(screen), "--out", str(out))
    return [*fixed, *QUIET, *settings(SIZES), *more]


@pytest.fixture(scope="module")
def alone(screen: Path) -> Path:
    """Return a run that one process trained."""
    out = screen.parent / "alone"
    assert run(training(screen, out)[2:]) == 0
    return out


def weights(run: Path) -> dict[str, np.ndarray]:
    return {name: x.astype(float) for name, x in load_file(run / "model.safetensors").items()}


def refuse_difference(ours: Path, theirs: Path, tolerance: float = 1e-3) -> None:
    found, expected = weights(ours), weights(theirs)
    assert set(found) == set(expected)
    for name, value in expected.items():
        if name.startswith(("model.encoder", "model.decoder", "teacher", "model.head")):
            assert np.allclose(found[name], value, atol=tolerance, rtol=tolerance), name
    first, second = (pandas.read_csv(run / "history.csv") for run in (ours, theirs))
    assert first["term"].equals(second["term"])
    assert np.allclose(first["value"], second["value"], rtol=2e-2, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_train_what_one_does_and_one_of_them_speaks(
    screen: Path, alone: Path, tmp_path: Path, processes: Any, finished: Any, strategy: str
) -> None:
    out = tmp_path / "run"
    done = finished(processes(training(screen, out, "--json", "--strategy", strategy)))
    assert [code for code, _, _ in done] == [0, 0], done
    assert done[0][1].startswith("{")
    assert done[1][1] == ""
    assert [err for _, _, err in done] == ["", ""]
    refuse_difference(out, alone)
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in alone.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(
    screen: Path, alone: Path, tmp_path: Path, processes: Any, finished: Any, first: int, then: int
) -> None:
    out = tmp_path / "run"
    begun = processes(training(screen, out), size=first)
    wait_for(out / "checkpoints" / "pretrain.safetensors", begun)
    begun[0].send_signal(signal.SIGTERM)
    stopped = finished(begun)
    assert {code for code, _, _ in stopped} <= {0, 130}
    done = finished(processes(training(screen, out, "--resume"), size=then))
    assert [code for code, _, _ in done] == [0] * then, done
    refuse_difference(out, alone)


@pytest.mark.slow
def test_processes_of_srun_find_each_other(
    screen: Path, tmp_path: Path, processes: Any, finished: Any, slurm: Any
) -> None:
    out = tmp_path / "encoder"
    words = ["-m", "gpjepa", "pretrain", str(screen), "--out", str(out), *QUIET, *settings(SIZES)]
    done = finished(processes(words, told=slurm))
    assert [code for code, _, _ in done] == [0, 0], done
    assert "steps" in done[0][1]
    assert done[1][1] == ""
    history = pandas.read_csv(out / "history.csv")
    assert history["step"].max() == 6


@pytest.mark.slow
def test_torchrun_starts_the_processes_and_what_is_asked_of_one_is_refused(
    screen: Path, alone: Path, tmp_path: Path
) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    out = tmp_path / "encoder"
    words = [*launcher, "-m", "gpjepa", "pretrain", str(screen), "--out", str(out), *QUIET]
    done = subprocess.run(
        [*words, *settings(SIZES)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (out / "encoder.safetensors").exists() or (out / "model.safetensors").exists()
    refused = subprocess.run(
        [*launcher, "-m", "gpjepa", "info", str(alone)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert refused.returncode == 1
    assert "torchrun started 2 processes of 'info', which runs in one" in refused.stderr


@pytest.mark.slow
def test_predictions_and_embeddings_are_the_bytes_of_one_process(
    screen: Path, alone: Path, tmp_path: Path, processes: Any, finished: Any
) -> None:
    names = [p for p in anndata.read_h5ad(screen).obs["perturbation"].unique() if p != "control"]
    labels = [word for name in names[:5] for word in ("-p", str(name))]
    asked = {
        "cells": ["predict", str(alone), *labels, "--cells", "30"],
        "latents": ["embed", str(alone), str(screen)],
    }
    for name, words in asked.items():
        ours, theirs = tmp_path / f"{name}.h5ad", tmp_path / f"{name}1.h5ad"
        end = ("--quiet", "--device", "cpu", "--out")
        done = finished(processes(["-m", "gpjepa", *words, *end, str(ours)]))
        assert [code for code, _, _ in done] == [0, 0], done
        assert run([*words, *end, str(theirs)]) == 0
        assert ours.read_bytes() == theirs.read_bytes(), name


def wait_for(path: Path, running: list[subprocess.Popen[str]], seconds: float = 120) -> None:
    """Wait until a file is there, or a process has ended."""
    until = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < until:
        if any(process.poll() is not None for process in running):
            return
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_others_with_an_error_within_a_minute(
    screen: Path, tmp_path: Path, processes: Any, finished: Any, killed: int
) -> None:
    out = tmp_path / "run"
    running = processes(training(screen, out, *LONG, "--set", "fit.validations=5000"))
    wait_for(out / "checkpoints" / "fit.safetensors", running)
    running[killed].kill()
    started = time.monotonic()
    done = finished(running, timeout=60)
    assert time.monotonic() - started < 60
    code, out_text, err = done[1 - killed]
    assert (code, out_text) == (1, "")
    assert "another process of this run is gone or does not answer" in err
    assert "--resume" in err
    assert load_file(out / "checkpoints" / "fit.safetensors")


@pytest.mark.slow
def test_a_silent_process_ends_the_others(
    screen: Path, tmp_path: Path, processes: Any, finished: Any
) -> None:
    out = tmp_path / "run"
    running = processes(training(screen, out, *LONG, "--answer-within", "5"))
    wait_for(out / "checkpoints" / "pretrain.safetensors", running)
    try:
        for _ in range(6):  # it may be stopped between steps, where it is waited for longer
            running[1].send_signal(signal.SIGSTOP)
            if ended(running[0], 20.0):
                break
            running[1].send_signal(signal.SIGCONT)
            time.sleep(0.3)
        code, err = running[0].wait(timeout=1), running[0].stderr.read()
    finally:
        running[1].kill()
        finished(running)
    assert code == 1
    assert "does not answer" in err


def ended(process: subprocess.Popen[str], seconds: float) -> bool:
    """Tell whether a process ends within some time."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_more_processes_than_perturbations_of_a_step_are_refused(
    make: Callable[..., Any],
) -> None:
    from gpjepa.core.errors import ConfigError
    from gpjepa.core.ranks import Ranks

    first, second = make()
    with pytest.raises(ConfigError, match="5 processes share a step of 3 perturbations"):
        second.share(Ranks(0, 5))
    with pytest.raises(ConfigError, match="40 processes share a batch of 33 cells"):
        first.share(Ranks(0, 40))
    second.share(Ranks(2, 3))
    assert second.ranks == Ranks(2, 3)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2])
def test_a_disk_that_fills_ends_training_and_leaves_its_last_checkpoint(
    screen: Path, tmp_path: Path, processes: Any, finished: Any, size: int
) -> None:
    out = tmp_path / "run"
    more = (*LONG, "--set", "fit.validations=20000")
    running = processes(training(screen, out, *more), size=size)
    wait_for(out / "checkpoints" / "fit.safetensors", running)
    resource.prlimit(running[0].pid, resource.RLIMIT_FSIZE, (4096, 4096))
    done = finished(running, timeout=120)
    assert [code for code, _, _ in done] == [1] * size, done
    assert "the disk or its quota is full" in done[0][2]
    assert load_file(out / "checkpoints" / "fit.safetensors")
    assert [p.name for p in (out / "checkpoints").iterdir() if p.name.startswith(".")] == []
