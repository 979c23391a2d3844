"""Two processes on two cores beside one process on one core, printed as one JSON document.

Both train on the same batches, with one thread each; rounds alternate, and what is compared is
their median. Run it on a quiet machine with two cores of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.made_cells import made_cells
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

STAGES = ("a", "bc")


def worker(file: str, batch: int, steps: int) -> dict[str, float]:
    """Train each stage for some steps; return cells per second of the whole batch."""
    import anndata

    from benchmarks.stages import stage_of, trainee
    from gpjepa.core.threads import set_threads
    from gpjepa.training.stage import Plan
    from gpjepa.training.trainer import train_stage

    set_threads(None, 1)
    prepared = trainee(anndata.read_h5ad(file), batch)
    found = {}
    for name in STAGES:
        for length in (3, steps):  # the first is to load and compile
            stage = stage_of(prepared, name)
            plan = Plan(
                steps=length,
                steps_per_epoch=length,
                interval=length,
                learning_rate=1e-4,
                weight_decay=0.0,
                clip=10.0,
                seed=0,
            )
            done = train_stage(stage, plan, prepared.session.fabric)
        found[name] = length * batch / done.seconds
    return found


def run(processes: int, words: Sequence[str]) -> dict[str, float]:
    """Start processes on a core each and return what the first one measured."""
    cores = sorted(os.sched_getaffinity(0))[:processes]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    running = []
    for rank in range(processes):
        told = {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
        if processes > 1:
            numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes}
            told |= {name: str(value) for name, value in numbers.items()}
            told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        pin = ["taskset", "-c", str(cores[rank])]
        command = [*pin, sys.executable, "-m", "benchmarks.ranks", "--worker", *words]
        environment = {**os.environ, **told}
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))
    printed = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"a process of {processes} failed")
    measured: dict[str, float] = json.loads(printed[0])
    return measured


def compare(chosen: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    """Return the table of `compare_batch` for each size of batch."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cells.h5ad"
        made_cells(chosen.cells, chosen.genes).write_h5ad(file)
        return {
            str(batch): compare_batch(file, batch, chosen.steps, chosen.rounds)
            for batch in chosen.batch
        }


def compare_batch(file: Path, batch: int, steps: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return cells per second of one and of two processes, and their ratio, for each stage."""
    words = [str(file), "--batch", str(batch), "--steps", str(steps)]
    measured = [(run(1, words), run(2, words)) for _ in range(rounds)]
    table = {}
    for name in STAGES:
        one, two = (median(each[which][name] for each in measured) for which in (0, 1))
        ratio = median(each[1][name] / each[0][name] for each in measured)
        table[name] = {"one": round(one), "two": round(two), "ratio": round(ratio, 2)}
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ranks", description=__doc__)
    parser.add_argument("file", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--genes", type=int, default=5000)
    parser.add_argument("--batch", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    if chosen.worker:
        print(json.dumps(worker(chosen.file, chosen.batch[0], chosen.steps)))
        return 0
    if len(os.sched_getaffinity(0)) < 2:
        print("fewer than two cores are free to use; expected two", file=sys.stderr)
        return 2
    document = {
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "load": os.getloadavg()[0],
        "provenance": provenance("python -m benchmarks ranks", 0),
        "data": {"cells": chosen.cells, "genes": chosen.genes},
        "cells_per_second_by_batch": compare(chosen),
    }
    print(json.dumps(document, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
