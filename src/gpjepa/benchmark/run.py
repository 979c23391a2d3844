"""Running a benchmark over seeds."""

from __future__ import annotations

import time
from typing import Any

from gpjepa.benchmark.tasks import TASKS, Task, spread
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError, unknown


def find_task(name: str) -> Task:
    """Return the task of a name; raise `ConfigError` for an unknown one."""
    for task in TASKS:
        if task.name == name:
            return task
    known = [task.name for task in TASKS]
    raise ConfigError(unknown("benchmark", name, known, f"use one of {', '.join(known)}"))


def run_benchmark(
    name: str, seeds: int, config: Config | None = None, device: str = "auto"
) -> dict[str, Any]:
    """Run a benchmark for seeds 0, 1, …; return its scores with their spread over seeds.

    `table` has a record per group, metric and model: mean, sd over seeds, ceiling, seeds.
    """
    import pandas

    if seeds < 1:
        raise ConfigError(f"seeds is {seeds}; expected 1 or more; pass for example --seeds 3")
    task = find_task(name)
    started = time.perf_counter()
    chosen = config or Config()
    frames = [task.score(chosen, seed, device).assign(seed=seed) for seed in range(seeds)]
    scores = pandas.concat(frames, ignore_index=True)
    records = []
    for (group, metric, model), rows in scores.groupby(["group", "metric", "model"], sort=True):
        values = rows["value"].to_numpy(dtype=float)
        ceiling = float(rows["ceiling"].mean())
        records.append(
            {
                "group": group,
                "metric": metric,
                "model": model,
                "mean": float(values.mean()),
                "sd": spread(values),
                "ceiling": None if ceiling != ceiling else ceiling,
                "seeds": len(values),
            }
        )
    return {
        "benchmark": name,
        "title": task.title,
        "seeds": seeds,
        "seconds": round(time.perf_counter() - started, 1),
        "table": records,
    }
