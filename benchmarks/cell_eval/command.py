"""The cell-eval2 command in its own environment."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import environment, plain_environment


@dataclass(frozen=True)
class Spent:
    """Seconds of a finished command: on the clock, and of the processor."""

    wall: float
    processor: float


def timed(command: Sequence[str], threads: int = 1) -> Spent:
    """Run a command on so many threads; raise `RuntimeError` with its last words if it fails."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=plain_environment(threads), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        assert child.stdout is not None
        said = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{said.decode(errors='replace')[-2000:]}")
    return Spent(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def cell_eval(
    predicted: Path,
    observed: Path,
    out: Path,
    threads: int = 1,
    preset: str = "vcc2026",
    extra: Sequence[str] = (),
) -> Spent:
    """Run a preset and leave the tables in `out`."""
    command = [
        str(environment("cell_eval").with_name("cell-eval2")), "run", "--preset", preset,
        "-ap", str(predicted), "-ar", str(observed), "-o", str(out),
        "--set", f"num_threads={threads}", *extra,
    ]  # fmt: skip
    return timed(command, threads)


def results(out: Path) -> dict[tuple[str, str], float]:
    """Return what cell-eval2 found, by perturbation and metric; an empty value is NaN."""
    with (out / "results.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    return {(row["perturbation"], row["metric"]): float(row["value"] or "nan") for row in rows}


def gpjepa(*arguments: str, threads: int = 1) -> Spent:
    """Run our own command in a process of its own."""
    program = "from gpjepa.cli.main import main; main()"
    return timed([sys.executable, "-c", program, *arguments], threads)
