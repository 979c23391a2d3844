"""How the cost of each step grows with cells, genes and perturbations, as one JSON document.

CPU time on one thread, in a process that has run a small size first. The exponent is the slope of
log cost on log size with its standard error; `last` is the slope between the two largest sizes,
where what does not grow weighs least and chance most.
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

    cells: int = 5_000
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


def worker(sizes: Sequence[Size]) -> list[dict[str, float]]:
    """Return the seconds of each step at each size, compilation left out."""
    from benchmarks.made_cells import made_cells
    from benchmarks.scaling_steps import parts, seconds_of

    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        for size in (WARM, *sizes):
            cells = made_cells(size.cells, size.genes, **parts(size.perturbations))
            cells.write_h5ad(path)
            del cells
            found.append(seconds_of(path))
            told = {name: round(value, 3) for name, value in found[-1].items()}
            print(astuple(size), told, file=sys.stderr, flush=True)
    return found[1:]


def measured(sizes: Sequence[Size]) -> dict[Size, dict[str, float]]:
    """Run the worker on one thread, in a process of its own."""
    given = json.dumps([astuple(size) for size in sizes])
    command = [sys.executable, "-m", "benchmarks.scaling", "--worker", given]
    done = subprocess.run(
        command, env=plain_environment(1), cwd=ROOT.parent, stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with status {done.returncode}")
    return dict(zip(sizes, json.loads(done.stdout.splitlines()[-1]), strict=True))


def compare(grids: dict[str, Sequence[int]], middle: Size) -> dict[str, Any]:
    """Return sizes, seconds and exponents of each step along each axis."""
    along = {axis: [replace(middle, **{axis: n}) for n in grid] for axis, grid in grids.items()}
    every = {size for sizes in along.values() for size in sizes}
    known = measured(sorted(every, key=lambda size: np.prod(astuple(size))))
    table: dict[str, Any] = {}
    for axis, sizes in along.items():
        steps = {}
        for name in known[sizes[0]]:
            seconds = [known[size][name] for size in sizes]
            steps[name] = {
                **grown(grids[axis], seconds),
                "seconds": [round(value, 4) for value in seconds],
            }
        table[axis] = {"sizes": list(grids[axis]), "steps": steps}
    return table


def over_reach(table: dict[str, Any]) -> list[str]:
    """Name the steps whose exponent is above the reach."""
    return [
        f"{name} with {axis}"
        for axis, found in table.items()
        for name, step in found["steps"].items()
        if step["exponent"] > REACH
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scaling", description=__doc__)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    for axis, grid in GRIDS.items():
        parser.add_argument(f"--{axis}", type=int, nargs="*", default=list(grid))
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a PNG or SVG to draw")
    parser.add_argument("--from", dest="document", type=Path, help="draw an earlier document")
    chosen = parser.parse_args(arguments)
    if chosen.worker:
        print(json.dumps(worker([Size(*one) for one in json.loads(chosen.worker)])))
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
            "data": dict(zip(GRIDS, astuple(Size()), strict=True)),
            "cpu_seconds": compare(grids, Size()),
        }
    document["above_reach"] = over_reach(document["cpu_seconds"])
    if chosen.plot:
        from benchmarks.scaling_plot import draw

        draw(document, chosen.plot)
    print(json.dumps(document, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
