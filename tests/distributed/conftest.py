"""Real processes that talk over gloo, and what one process computes alone."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")


def environment(rank: int = 0, size: int = 1, port: int = 0) -> dict[str, str]:
    """Return the environment of a process, as torchrun would make it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    kept.update(PYTHONPATH=str(ROOT / "src"), OMP_NUM_THREADS="1")
    if size > 1:
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
        kept.update({name: str(value) for name, value in told.items()})
        kept.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    return kept


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def under_slurm(rank: int, size: int, port: int) -> dict[str, str]:
    """Return the environment of a process, as srun would make it on one machine."""
    kept = environment()
    told = {"PROCID": rank, "LOCALID": rank, "NODEID": 0, "NTASKS": size, "NNODES": 1}
    told |= {"STEP_NUM_TASKS": size, "STEP_NUM_NODES": 1, "JOB_ID": 4711, "NTASKS_PER_NODE": size}
    kept.update({f"SLURM_{name}": str(value) for name, value in told.items()})
    kept.update(SLURM_JOB_NAME="train", SLURM_NODELIST="127.0.0.1", MASTER_PORT=str(port))
    return kept


def start(
    arguments: Sequence[object], size: int = 2, told: Callable[..., dict[str, str]] = environment
) -> list[subprocess.Popen[str]]:
    """Start `size` processes of Python with these arguments, by hand."""
    port = free_port()
    words = [str(word) for word in arguments]
    return [
        subprocess.Popen(
            [sys.executable, *words],
            env=told(rank, size, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def finish(
    running: Sequence[subprocess.Popen[str]], timeout: float = 240
) -> list[tuple[int, str, str]]:
    """Return exit code, stdout and stderr of each process; none outlives this."""
    done = []
    try:
        for process in running:
            out, err = process.communicate(timeout=timeout)
            done.append((process.returncode, out, err))
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.communicate()
    return done


@pytest.fixture(scope="session")
def processes() -> Callable[..., list[subprocess.Popen[str]]]:
    return start


@pytest.fixture(scope="session")
def slurm() -> Callable[..., dict[str, str]]:
    return under_slurm


@pytest.fixture(scope="session")
def finished() -> Callable[..., list[tuple[int, str, str]]]:
    return finish


Arrays = dict[str, np.ndarray]


def _computed(folder: Path, size: int) -> list[Arrays]:
    for code, _, err in finish(start([WORKER, folder], size)):
        assert code == 0, err
    return [dict(np.load(folder / f"rank{rank}.npz")) for rank in range(size)]


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Arrays]:
    """Return what each of two processes computes."""
    return _computed(tmp_path_factory.mktemp("two"), 2)


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    """Return what one process computes."""
    return _computed(tmp_path_factory.mktemp("one"), 1)[0]


@pytest.fixture
def make() -> Callable[[], tuple[object, object]]:
    """Return a function that makes Stage A and Stages B + C with steps of 3 perturbations."""
    spec = importlib.util.spec_from_file_location("worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    worker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worker)

    def stages() -> tuple[object, object]:
        config = worker.config_of("uneven")
        ready = worker.prepared(config)
        return worker.stage_a(ready, config), worker.stage_bc(ready, config)

    return stages
