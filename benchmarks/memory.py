"""Peak memory of pretrain, train and embed on files of several sizes, and print one JSON document.

The counts stay on disk; each verb is a process of its own, a few steps long.
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

from benchmarks.large_file import GENES, write_large
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

FEW = ("pretrain.max_steps={0}", "pretrain.min_steps={0}", "fit.max_steps={0}", "fit.min_steps={0}")


def measured(verb: Sequence[str]) -> dict[str, Any]:
    """Run a verb of `gpjepa` and return its peak memory (GB), CPU and wall time (s)."""
    command = [sys.executable, "-m", "gpjepa", *verb, "--quiet", "--force", "--on-disk"]
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


def of_file(path: Path, folder: Path, steps: int) -> dict[str, Any]:
    """Measure the verbs on one file."""
    settings = [part for text in FEW for part in ("--set", text.format(steps))]
    settings += ["--set", "fit.validations=1"]
    encoder, run, out = folder / "encoder", folder / "run", folder / f"out{path.suffix}"
    found = {
        "pretrain": measured(["pretrain", str(path), "--out", str(encoder), *settings]),
        "train": measured(["train", str(path), "--out", str(run), *settings]),
        "embed": measured(["embed", str(run), str(path), "--out", str(out)]),
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
            if not path.exists():
                write_large(path, cells, genes=chosen.genes)
            found[str(cells)] = of_file(path, Path(scratch), chosen.steps)
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
