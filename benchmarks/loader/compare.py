"""Time reading shuffled batches from disk beside other loaders and print one JSON document.

`blocks` reads the blocks of our loader in the order of the file and does nothing with them. All
take turns; each figure is the median over rounds. On a busy machine read the CPU time.
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
from benchmarks.large_file import GENES, write_large
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

WORKER = ROOT / "loader" / "worker.py"
OURS = ("ours", "blocks")
OTHERS = ("scdataset-1", "scdataset-256", "annloader")
SLOW = 8  # times fewer cells of loaders that read cell by cell


def timed(python: str, kind: str, path: Path, batch: int, cells: int) -> dict[str, Any]:
    """Run the worker once."""
    source = ROOT.parent / "src" if kind in OURS else ROOT.parent
    variables = {**plain_environment(1), "PYTHONPATH": str(source)}
    few = cells // SLOW if kind in ("scdataset-1", "annloader") else cells
    command = [python, str(WORKER), kind, str(path), str(batch), str(few)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{kind} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks loader", description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000, help="of the file, all of them read")
    parser.add_argument("--genes", type=int, default=GENES)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--file", type=Path, help="an h5ad file of CSR counts, else one is made")
    parser.add_argument("--python", help="of an environment with scDataset, else one is made")
    chosen = parser.parse_args(arguments)
    python = chosen.python or str(environment("loader"))
    rates: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.file or write_large(Path(folder) / "c.h5ad", chosen.cells, genes=chosen.genes)
        for _ in range(chosen.rounds):
            for kind in (*OURS, *OTHERS):
                own = sys.executable if kind in OURS else python
                told = timed(own, kind, path, chosen.batch, chosen.cells)
                for clock in ("wall", "cpu"):
                    rates.setdefault(kind, {}).setdefault(clock, []).append(told[clock])
    middle = {kind: {c: round(median(v)) for c, v in of.items()} for kind, of in rates.items()}
    ratios = {
        kind: {c: round(middle["ours"][c] / middle[kind][c], 2) for c in ("wall", "cpu")}
        for kind in middle
        if kind != "ours"
    }
    document = {
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "load": [round(x, 1) for x in os.getloadavg()],
        "provenance": provenance("python -m benchmarks loader", 0),
        "data": {"cells": chosen.cells, "genes": chosen.genes, "batch": chosen.batch},
        "cells_per_second": middle,
        "ours_over": ratios,
    }
    print(json.dumps(document, indent=1))
    return 0
