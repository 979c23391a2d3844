"""Time gpjepa beside scVI on the same cells and print one JSON document with the ratios.

The two take turns, so that what else the machine does falls on both; each figure is the median
over rounds. The ratio to read on a busy machine is that of CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environments import ROOT, environment, plain_environment
from benchmarks.made_cells import made_cells
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

WORKER = ROOT / "scvi" / "worker.py"
PAIRS = {
    "stage A training": ("train_a", "train"),
    "stages B and C training": ("train_bc", "train"),
    "embed": ("embed", "embed"),
    "decode means": ("decode", "decode"),
    "sample counts": ("sample", "sample"),
}


def timed(python: str, kind: str, path: Path, batch: int, threads: int) -> dict[str, Any]:
    """Run the worker once."""
    variables = {**plain_environment(threads), "PYTHONPATH": str(ROOT.parent)}
    command = [python, str(WORKER), kind, str(path), str(batch), str(threads)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{kind} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def ratios(rounds: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """Return the median rates of both and the median of their ratios, by clock and CPU time."""
    table = {}
    for name, (own, their) in PAIRS.items():
        table[name] = {
            kind: {
                "gpjepa": round(median(a[own][kind] for a, _ in rounds)),
                "scvi": round(median(b[their][kind] for _, b in rounds)),
                "ratio": round(median(a[own][kind] / b[their][kind] for a, b in rounds), 2),
            }
            for kind in ("wall", "cpu")
        }
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scvi", description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000, help="3,000 at least")
    parser.add_argument("--genes", type=int, default=5_000)
    parser.add_argument("--batch", type=int, default=128, help="scVI's default")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python", help="of an environment with scvi-tools, else one is made")
    chosen = parser.parse_args(arguments)
    python = chosen.python or str(environment("scvi"))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        made_cells(chosen.cells, chosen.genes).write_h5ad(path)
        for threads in chosen.threads:
            rounds = []
            for _ in range(chosen.rounds):
                own = timed(sys.executable, "ours", path, chosen.batch, threads)
                rounds.append((own, timed(python, "scvi", path, chosen.batch, threads)))
            found[f"{threads} threads"] = ratios(rounds)
    document = {
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "load": [round(x, 1) for x in os.getloadavg()],
        "provenance": provenance("python -m benchmarks scvi", 0),
        "data": {"cells": chosen.cells, "genes": chosen.genes, "batch": chosen.batch},
        "rounds": chosen.rounds,
        "speed": found,
    }
    print(json.dumps(document, indent=1))
    return 0
