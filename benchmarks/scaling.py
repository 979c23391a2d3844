"""How the cost of each step grows with cells, genes and perturbations, as one JSON document.

CPU time on one thread, each size in a process of its own that has run a small one first. The
exponent is the slope of log cost on log size with its standard error; `last` is the slope
between the two largest sizes, where what does not grow weighs least.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import ROOT, plain_environment
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

GRIDS = {
    "cells": (2_500, 5_000, 10_000, 20_000, 40_000),
    "genes": (500, 1_000, 2_000, 4_000, 8_000),
    "perturbations": (25, 50, 100, 200, 400),
}
REACH = 1.05  # the largest exponent that is wanted


@dataclass(frozen=True)
class Size:
    """How large a made data set is."""

    cells: int = 10_000
    genes: int = 1_000
    perturbations: int = 50


WARM = Size(600, 300, 12)


def grown(sizes: Sequence[float], seconds: Sequence[float]) -> dict[str, float]:
    """Return the exponent of a power law through costs, its standard error, and the last slope."""
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(seconds, float))
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    left = y - y.mean() - slope * centred
    error = np.sqrt(left @ left / max(len(x) - 2, 1) / (centred @ centred))
    last = (y[-1] - y[-2]) / (x[-1] - x[-2])
    return {
        name: round(float(v), 3)
        for name, v in zip(("exponent", "se", "last"), (slope, error, last), strict=True)
    }


def worker(size: Size, repeats: int) -> dict[str, float]:
    """Return the seconds of each step at one size, compilation left out."""
    from benchmarks.made_cells import made_cells
    from benchmarks.scaling_steps import parts, seconds_of

    with tempfile.TemporaryDirectory() as folder:
        small, path = Path(folder) / "small.h5ad", Path(folder) / "cells.h5ad"
        for at, file in ((WARM, small), (size, path)):
            made_cells(at.cells, at.genes, **parts(at.perturbations)).write_h5ad(file)
        seconds_of(small, 1)
        return seconds_of(path, repeats)


def measured(size: Size, repeats: int) -> dict[str, float]:
    """Run the worker in a process of its own."""
    words = ["--worker", *map(str, astuple(size)), "--repeats", str(repeats)]
    command = [sys.executable, "-m", "benchmarks.scaling", *words]
    done = subprocess.run(
        command, env=plain_environment(1), cwd=ROOT.parent, stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with status {done.returncode}")
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(size, {name: round(value, 3) for name, value in seconds.items()}, file=sys.stderr)
    return seconds


def compare(grids: dict[str, Sequence[int]], middle: Size, repeats: int) -> dict[str, Any]:
    """Return sizes, seconds and exponents of each step along each axis."""
    known: dict[Size, dict[str, float]] = {}
    table: dict[str, Any] = {}
    for axis, grid in grids.items():
        sizes = [replace(middle, **{axis: number}) for number in grid]
        for size in sizes:
            if size not in known:
                known[size] = measured(size, repeats)
        steps = {}
        for name in known[sizes[0]]:
            seconds = [known[size][name] for size in sizes]
            steps[name] = {**grown(grid, seconds), "seconds": [round(s, 4) for s in seconds]}
        table[axis] = {"sizes": list(grid), "steps": steps}
    return table


def over_reach(table: dict[str, Any]) -> list[str]:
    """Name the steps whose exponent, or last slope, is above the reach."""
    return [
        f"{name} with {axis}"
        for axis, found in table.items()
        for name, step in found["steps"].items()
        if max(step["exponent"], step["last"]) > REACH
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scaling", description=__doc__)
    parser.add_argument("--worker", type=int, nargs=3, help=argparse.SUPPRESS)
    for axis, grid in GRIDS.items():
        parser.add_argument(f"--{axis}", type=int, nargs="*", default=list(grid))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a PNG or SVG to draw")
    parser.add_argument("--from", dest="document", type=Path, help="draw an earlier document")
    chosen = parser.parse_args(arguments)
    if chosen.worker:
        print(json.dumps(worker(Size(*chosen.worker), chosen.repeats)))
        return 0
    if chosen.document:
        document = json.loads(chosen.document.read_text())
    else:
        grids = {axis: getattr(chosen, axis) for axis in GRIDS}
        grids = {axis: grid for axis, grid in grids.items() if len(grid) > 1}
        document = {
            "machine": {"processor": processor(), "cores": os.cpu_count()},
            "load": [round(x, 1) for x in os.getloadavg()],
            "provenance": provenance("python -m benchmarks scaling", 0),
            "data": dict(zip(GRIDS, astuple(Size()), strict=True)) | {"repeats": chosen.repeats},
            "cpu_seconds": (table := compare(grids, Size(), chosen.repeats)),
            "above_reach": over_reach(table),
        }
    if chosen.plot:
        from benchmarks.scaling_plot import draw

        draw(document, chosen.plot)
    print(json.dumps(document, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
