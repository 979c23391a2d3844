"""Jobs of a benchmark, one a part and seed: run in worker processes, or taken from the cache."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Any

from gpjepa.benchmark.cache import Cache
from gpjepa.benchmark.tasks import find_task
from gpjepa.core.config import Config
from gpjepa.core.errors import ProcessError

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Job:
    """One part of a task for one seed; `key` names its result in the cache."""

    task: str
    part: str
    seed: int
    config: str  # JSON
    device: str
    key: str

    @property
    def title(self) -> str:
        """Return what is shown of the job while it runs."""
        return f"{self.task}, {self.part}, seed {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """The rows of a job and the core-seconds that it once took; `cached` if it was not run now."""

    job: Job
    rows: Rows
    seconds: float
    cached: bool


def run_job(job: Job) -> tuple[Rows, float]:
    """Score one part for one seed; return its rows and its core-seconds."""
    started = time.process_time()
    part = find_task(job.task).part(job.part)
    frame = part.score(Config.model_validate_json(job.config), job.seed, job.device)
    rows = [
        {str(name): _plain(value) for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    return rows, time.process_time() - started


def run_jobs(
    jobs: Sequence[Job], workers: int, cache: Cache | None, tell: Callable[[str], None]
) -> list[Outcome]:
    """Return the outcomes of all jobs in their order; `tell` is told of each that ends.

    With more than one worker every job runs in a process of its own kind with one thread. What
    has ended is in the cache even when a later job fails. Raises `ProcessError` when a worker is
    killed; workers end with the process that started them, however that ends.
    """
    found: dict[Job, Outcome] = {}
    for job in jobs:
        kept = None if cache is None else cache.get(job.key)
        if kept is not None:
            found[job] = Outcome(job, kept["rows"], float(kept["seconds"]), cached=True)
    if found:
        tell(f"{len(found)} of {len(jobs)} results are cached")
    waiting = [job for job in jobs if job not in found]
    for job, (rows, seconds) in _results(waiting, workers):
        found[job] = Outcome(job, rows, seconds, cached=False)
        if cache is not None:
            cache.put(job.key, {"job": job.title, "seconds": seconds, "rows": rows})
        tell(f"{job.title}: {seconds:.0f} s ({len(found)} of {len(jobs)})")
    return [found[job] for job in jobs]


def _results(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, tuple[Rows, float]]]:
    """Yield jobs with their results as they end."""
    if workers < 2 or len(jobs) < 2:
        for job in jobs:
            yield job, run_job(job)
        return
    with one_thread(), ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        pending: dict[Future[tuple[Rows, float]], Job] = {
            pool.submit(run_job, job): job for job in jobs
        }
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        except BrokenProcessPool as error:
            raise ProcessError(
                "a worker process ended without an answer (killed, or out of memory); expected "
                "all of them to the end; start again, which goes on from what is in the cache, "
                "with fewer --workers if memory was short"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let processes that are started inside use one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin() -> None:
    """Keep warnings of libraries out of the progress of a worker, and end it with its parent."""
    import warnings

    warnings.simplefilter("ignore")
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait until the process that started this one is gone, and end; there is nobody to tell."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _plain(value: Any) -> Any:
    """Return a value that JSON holds: numbers that are not finite become None."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and not isinstance(value, float) else number
