"""Running benchmarks over seeds, in worker processes and by the cache."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.benchmark.cache import Cache, data_digest, key_of, source_digests
from gpjepa.benchmark.jobs import Job, Outcome, run_jobs
from gpjepa.benchmark.paired import models_of, paired_records
from gpjepa.benchmark.scores import COLUMNS, NUMBERS
from gpjepa.benchmark.task import Task
from gpjepa.benchmark.tasks import TASKS, find_task
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_WORKERS = 8
DIGITS = 6  # decimals of what is reported


def run_benchmarks(
    names: Sequence[str],
    seeds: int = 3,
    config: Config | None = None,
    *,
    device: str = "auto",
    workers: int = 1,
    cache: Cache | None = None,
    tell: Callable[[str], None] = lambda text: None,
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Run benchmarks for seeds 0, 1, …; "all" names every one of them.

    `only` names the parts that run, as `Task.only` does; all of them where it is empty.

    Returns a document with `benchmarks`, each with its title, seconds and `table`: a record per
    group, metric and model with mean, sd over seeds, floor, ceiling, n, seeds and values. With
    `workers` above 1 seeds and parts run side by side, one thread each; 0 takes one a core.
    A benchmark with a reference has its `paired` differences too, as `paired_records` returns
    them, and its `models` in order. Raises `ConfigError` for an unknown name or fewer than one
    seed.
    """
    if seeds < 1:
        raise ConfigError(f"seeds is {seeds}; expected 1 or more; pass for example --seeds 3")
    tasks = TASKS if "all" in names else tuple(find_task(name) for name in names)
    tasks = tuple(task.only(only) for task in tasks) if only else tasks
    started = time.perf_counter()
    jobs = make_jobs(tasks, seeds, config or Config(), device)
    side_by_side = workers or min(os.cpu_count() or 1, MOST_WORKERS)
    outcomes = run_jobs(jobs, side_by_side, cache, tell)
    return {
        "benchmarks": [
            summary(task, seeds, [each for each in outcomes if each.job.task == task.name])
            for task in tasks
        ],
        "seeds": seeds,
        "workers": side_by_side,
        "seconds": round(time.perf_counter() - started, 1),
    }


def make_jobs(tasks: Sequence[Task], seeds: int, config: Config, device: str) -> list[Job]:
    """Return a job for each part and seed, its key over all that its result depends on."""
    jobs, settings = [], config.model_dump_json()
    sources = source_digests([part.score.__module__ for task in tasks for part in task.parts])
    for task in tasks:
        data = data_digest(task.data)
        for part in task.parts:
            for seed in range(seeds):
                made_by = sources[part.score.__module__], data, part.score.__name__
                key = key_of(*made_by, settings, device, seed)
                jobs.append(Job(task.name, part.name, seed, settings, device, key))
    return jobs


def summary(task: Task, seeds: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the document of one benchmark: its scores with their spread over seeds."""
    import pandas

    numbers = dict.fromkeys(NUMBERS, np.float64)
    frames = [
        pandas.DataFrame(each.rows, columns=list(COLUMNS))
        .astype(numbers)
        .assign(seed=each.job.seed)
        for each in outcomes
        if each.rows
    ]
    scores = pandas.concat(frames, ignore_index=True)
    records = [
        {"group": group, "metric": metric, "model": model, **over_seeds(rows.sort_values("seed"))}
        for (group, metric, model), rows in scores.groupby(["group", "metric", "model"], sort=True)
        if rows["value"].notna().any()
    ]
    return {
        "benchmark": task.name,
        "title": task.title,
        "simulated": task.simulated,
        "seeds": seeds,
        "seconds": round(sum(each.seconds for each in outcomes), 1),
        "jobs": [
            {
                "part": each.job.part,
                "seed": each.job.seed,
                "seconds": round(each.seconds, 1),
                "cached": each.cached,
            }
            for each in outcomes
        ],
        "table": records,
    } | _paired(task, outcomes)


def _paired(task: Task, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the differences from the task's reference; nothing where it has none."""
    if task.reference is None:
        return {}
    rows = [(each.job.seed, row) for each in outcomes for row in each.rows]
    paired = paired_records(rows, task.reference)
    models = sorted(models_of(rows), key=lambda name: not _is_part(task, name))  # baselines last
    return {"reference": task.reference, "models": models, "paired": paired}


def _is_part(task: Task, model: str) -> bool:
    return any(part.is_called(model) for part in task.parts)


def over_seeds(rows: DataFrame) -> dict[str, Any]:
    """Return one model's score over the seeds that have it."""
    rows = rows[rows["value"].notna()]
    values = rows["value"].to_numpy(dtype=np.float64)
    return {
        "mean": round(float(values.mean()), DIGITS),
        "sd": round(spread(values), DIGITS),
        "floor": _mean(rows["floor"].to_numpy(dtype=np.float64)),
        "ceiling": _mean(rows["ceiling"].to_numpy(dtype=np.float64)),
        "n": round(float(rows["n"].mean())),
        "seeds": len(values),
        "values": {
            str(seed): round(float(value), DIGITS)
            for seed, value in zip(rows["seed"], values, strict=True)
        },
    }


def spread(values: np.ndarray) -> float:
    """Return the standard deviation over seeds, 0 for one seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _mean(values: np.ndarray) -> float | None:
    """Return the mean of the known values; None where none is known."""
    known = values[np.isfinite(values)]
    return round(float(known.mean()), DIGITS) if len(known) else None
