from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest

from gpjepa.benchmark import jobs
from gpjepa.benchmark.cache import Cache
from gpjepa.benchmark.jobs import Job, run_job, run_jobs
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import Part, Task
from gpjepa.core.config import Config

SETTINGS = Config().model_dump_json()


def job(seed: int, part: str = "part") -> Job:
    return Job("made", part, seed, SETTINGS, "cpu", f"key-{part}-{seed}")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let every job be of a made-up task; return the seeds that were scored."""
    seeds: list[int] = []

    def score(config: Config, seed: int, device: str) -> pandas.DataFrame:
        seeds.append(seed)
        assert (config, device) == (Config(), "cpu")
        rows = [("all", "l2", "gpjepa", float(seed), np.nan, 0.5, np.int64(3))]
        return pandas.DataFrame(rows, columns=list(COLUMNS))

    def fail(config: Config, seed: int, device: str) -> pandas.DataFrame:
        raise ValueError("a broken part")

    task = Task("made", "made up", (), (Part("part", score), Part("broken", fail)), ())
    monkeypatch.setattr(jobs, "find_task", lambda name: task)
    return seeds


def test_rows_are_plain_and_what_is_not_finite_is_none(calls) -> None:
    rows, seconds = run_job(job(2))
    assert rows == [
        {
            "group": "all",
            "metric": "l2",
            "model": "gpjepa",
            "value": 2.0,
            "floor": None,
            "ceiling": 0.5,
            "n": 3,
        }
    ]
    assert seconds >= 0


def test_values_of_perturbations_are_plain_too() -> None:
    assert jobs._plain({"A": np.float64(0.5), "B": np.nan}) == {"A": 0.5, "B": None}


def test_a_second_run_is_taken_from_the_cache_with_its_first_seconds(calls, tmp_path) -> None:
    told: list[str] = []
    kept = Cache(tmp_path)
    first = run_jobs([job(0), job(1)], 1, kept, told.append)
    second = run_jobs([job(1), job(0), job(2)], 1, kept, told.append)
    assert calls == [0, 1, 2]
    assert [each.cached for each in first] == [False, False]
    assert [(each.job.seed, each.cached) for each in second] == [(1, True), (0, True), (2, False)]
    assert second[0].rows == first[1].rows
    assert second[0].seconds == first[1].seconds
    assert "2 of 3 results are cached" in told


def test_without_a_cache_everything_is_run_again(calls) -> None:
    for _ in range(2):
        run_jobs([job(0)], 1, None, lambda text: None)
    assert calls == [0, 0]


def test_what_ended_before_a_failure_is_kept(calls, tmp_path) -> None:
    kept = Cache(tmp_path)
    with pytest.raises(ValueError, match="a broken part"):
        run_jobs([job(0), job(0, "broken"), job(1)], 1, kept, lambda text: None)
    assert kept.get(job(0).key) is not None
    assert kept.get(job(1).key) is None
    assert calls == [0]


def test_processes_started_inside_have_one_thread_and_ours_is_left_as_it_was(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with jobs.one_thread():
        assert {os.environ[name] for name in jobs.THREADS} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.slow
def test_worker_processes_give_the_results_of_this_process() -> None:
    asked = [
        Job("norman-distances", "half of the doubles", seed, SETTINGS, "cpu", str(seed))
        for seed in (0, 1)
    ]
    here = run_jobs(asked, 1, None, lambda text: None)
    there = run_jobs(asked, 2, None, lambda text: None)
    for mine, other in zip(here, there, strict=True):
        assert mine.job == other.job
        for row, twin in zip(mine.rows, other.rows, strict=True):
            assert row["value"] == pytest.approx(twin["value"], rel=1e-6, nan_ok=True)


MANY = """
from gpjepa.benchmark.jobs import Job, run_jobs
from gpjepa.core.config import Config
from gpjepa.core.errors import ProcessError

if __name__ == "__main__":
    part, settings = "half of the doubles", Config().model_dump_json()
    jobs = [Job("norman-distances", part, n, settings, "cpu", str(n)) for n in range(500)]
    try:
        run_jobs(jobs, 2, None, lambda text: print(text, flush=True))
    except ProcessError as error:
        print(error, flush=True)
"""


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the workers of a process that runs jobs; what multiprocessing adds is left out."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            spawned = b"spawn_main" in (folder / "cmdline").read_bytes()
        except (OSError, IndexError, ValueError):
            continue
        if parent == process.pid and spawned:
            found.append(int(folder.name))
    return found


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def running(tmp_path: Path):
    """Start many jobs in two workers; give them once the first job has ended."""
    script = tmp_path / "many.py"
    script.write_text(MANY)
    source = str(Path(jobs.__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert process.stdout is not None
    assert "seed" in process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


@pytest.mark.slow
@needs_proc
def test_a_killed_worker_ends_the_run_with_an_error_that_says_what_to_do(running) -> None:
    started = time.monotonic()
    os.kill(workers_of(running)[0], signal.SIGKILL)
    said, _ = running.communicate(timeout=60)
    assert "a worker process ended without an answer" in said.splitlines()[-1]
    assert "with fewer --workers" in said
    assert running.returncode == 0
    assert time.monotonic() - started < 60


@pytest.mark.slow
@needs_proc
def test_workers_end_with_a_parent_that_is_killed(running) -> None:
    workers = workers_of(running)
    assert len(workers) == 2
    running.kill()
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
