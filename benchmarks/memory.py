"""Peak memory of simulate, pretrain, train and embed at several sizes, and print one JSON document.

The counts stay on disk; each verb is a process of its own, training a few steps long.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.large_file import GENES
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

SINGLES, PAIRS = 60, 40  # perturbations that are simulated
LIBRARY = 1200  # counts of a cell, of which some 500 are of different genes
FEW = ("pretrain.max_steps={0}", "pretrain.min_steps={0}", "fit.max_steps={0}", "fit.min_steps={0}")


def measured(verb: Sequence[str]) -> dict[str, Any]:
    """Run a verb of `gpjepa` and return its peak memory (GB), CPU and wall time (s)."""
    command = [sys.executable, "-m", "gpjepa", *verb, "--quiet", "--force"]
    started = time.perf_counter()
    told = [(os.POSIX_SPAWN_DUP2, 2, 1)]  # stdout is for the document
    process = os.posix_spawn(command[0], command, dict(os.environ), file_actions=told)
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    scale = 2**30 if sys.platform == "darwin" else 2**20  # ru_maxrss is in bytes or in KB
    return {
        "peak_gb": round(used.ru_maxrss / scale, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.perf_counter() - started, 1),
    }


def simulated(path: Path, cells: int, genes: int) -> dict[str, Any]:
    """Simulate a file of about a tenth non-zero counts; measure that."""
    control = cells // 10
    wanted = {
        "free.genes": genes,
        "free.perturbed": SINGLES,
        "free.pairs": PAIRS,
        "cells.control": control,
        "cells.perturbed": (cells - control) // (SINGLES + PAIRS),
        "cells.library_median": LIBRARY,
    }
    settings = [word for name, value in wanted.items() for word in ("--set", f"{name}={value}")]
    return measured(["simulate", "--preset", "free", "--out", str(path), *settings])


def of_file(path: Path, folder: Path, steps: int) -> dict[str, Any]:
    """Measure the verbs on one file."""
    settings = [part for text in FEW for part in ("--set", text.format(steps))]
    settings += ["--set", "fit.validations=1"]
    encoder, run, out = folder / "encoder", folder / "run", folder / f"out{path.suffix}"
    place = "--on-disk"
    found = {
        "pretrain": measured(["pretrain", str(path), "--out", str(encoder), place, *settings]),
        "train": measured(["train", str(path), "--out", str(run), place, *settings]),
        "embed": measured(["embed", str(run), str(path), "--out", str(out), place]),
    }
    out.unlink(missing_ok=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--genes", type=int, default=GENES)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--files", help="a folder that holds, or keeps, the files")
    chosen = parser.parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    found = {}
    with tempfile.TemporaryDirectory(dir=chosen.files) as scratch:
        folder = Path(chosen.files or scratch)
        for cells in chosen.cells:
            path = folder / f"c{cells}.h5ad"
            made = {} if path.exists() else {"simulate": simulated(path, cells, chosen.genes)}
            found[str(cells)] = made | of_file(path, Path(scratch), chosen.steps)
            print(cells, found[str(cells)], file=sys.stderr)
    document = {
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "load": [round(x, 1) for x in os.getloadavg()],
        "provenance": provenance("python -m benchmarks memory", 0),
        "data": {"genes": chosen.genes, "steps": chosen.steps},
        "memory": found,
    }
    print(json.dumps(document, indent=1))
    return 0
