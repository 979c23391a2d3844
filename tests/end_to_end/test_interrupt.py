"""Real processes that are stopped while they train."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import safe_open

LONG = ("fit.min_steps=500", "fit.max_steps=500", "fit.validations=25", "fit.patience=99")


def start(*arguments: object) -> subprocess.Popen[str]:
    program = Path(sys.executable).parent / "gpjepa"
    return subprocess.Popen(
        [str(program), *(str(argument) for argument in arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, err


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def step_of(path: Path) -> int:
    with safe_open(path, framework="pt") as stream:
        return int(json.loads(stream.metadata()["progress"])["step"])


@pytest.fixture
def arguments(tiny, screen: Path, tmp_path: Path) -> tuple[object, ...]:
    split = ("--split", "unseen-combination", "--device", "cpu")
    return ("train", screen, "--out", tmp_path / "run", *split, *tiny(*LONG))


def test_ctrl_c_writes_a_checkpoint_says_how_to_resume_and_exits_with_130(
    arguments, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "run" / "checkpoints" / "fit.safetensors"
    process = start(*arguments)
    wait_for(checkpoint, process)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 130, err
    assert out == ""
    assert err.rstrip().endswith("error: interrupted")
    assert f"a checkpoint is in {checkpoint.parent}" in err
    assert "the same command with --resume" in err
    assert "Traceback" not in err
    assert 0 < step_of(checkpoint) < 500
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.slow
def test_a_killed_run_leaves_a_checkpoint_and_is_resumed_to_the_same_model(
    arguments, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "run" / "checkpoints" / "fit.safetensors"
    process = start(*arguments)
    wait_for(checkpoint, process)
    os.kill(process.pid, signal.SIGKILL)
    code, _, _ = finish(process)
    assert code == -signal.SIGKILL
    assert 0 < step_of(checkpoint) < 500

    resumed = finish(start(*arguments, "--resume", "--json"))
    assert resumed[0] == 0, resumed[2]
    whole = [word if word != tmp_path / "run" else tmp_path / "whole" for word in arguments]
    code, _, err = finish(start(*whole))
    assert code == 0, err
    for name in ("model.safetensors", "history.csv", "calibration.json"):
        ours, theirs = (tmp_path / run / name for run in ("run", "whole"))
        assert ours.read_bytes() == theirs.read_bytes(), name
