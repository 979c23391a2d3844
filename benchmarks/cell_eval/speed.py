"""Time `gpjepa.evaluate` beside `cell-eval2 run --preset vcc2026` on the same two files.

100 perturbations × 200 cells × 5,000 genes and 2,000 control cells by default, simulated; whole
processes, reading included, one after the other, on as many threads. Compare only numbers of one
call. Ours scores the model on the effect and the generative axis with floor, ceiling and
intervals and, as cell-eval2, without baselines. cell-eval2 is timed as it installs itself, with
the tests of scanpy, and with the compiled ones of pdex, which it takes where pdex is there.
Needs an environment (0.7 GB); runs for minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import gpjepa
from benchmarks.cell_eval.command import Spent, cell_eval, timed
from benchmarks.environments import environment
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

ENGINES = {"cell_eval2": "scanpy", "cell_eval2_with_pdex": "pdex"}


def write_pair(
    folder: Path, perturbations: int, cells: int, genes: int, controls: int
) -> tuple[Path, Path, float]:
    """Write two measurements of the same simulated screen; return their share of non-zeros."""
    config = gpjepa.SimulationConfig(
        preset="free",
        free={"genes": genes, "perturbed": perturbations, "pairs": 0},
        cells={"control": 2 * controls, "perturbed": 2 * cells, "library_median": 2500.0},
    )
    adata, _ = gpjepa.simulate(config)
    labels = adata.obs["perturbation"].astype(str)
    adata.obs["target"] = np.where(labels == "control", "non-targeting", labels)
    adata.uns.clear()
    place = labels.groupby(labels).cumcount().to_numpy() % 2
    paths = folder / "predicted.h5ad", folder / "observed.h5ad"
    for which, path in enumerate(paths):
        adata[place == which].copy().write_h5ad(path)
    return *paths, adata.X.nnz / (adata.n_obs * adata.n_vars)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks eval-speed", description=__doc__)
    parser.add_argument("--perturbations", type=int, default=100)
    parser.add_argument("--cells", type=int, default=200, help="of each perturbation, a side")
    parser.add_argument("--genes", type=int, default=5000)
    parser.add_argument("--controls", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    environment("cell_eval")
    spent: dict[str, Spent] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        predicted, observed, share = write_pair(
            folder, chosen.perturbations, chosen.cells, chosen.genes, chosen.controls
        )
        pair = f"{str(predicted)!r}, {str(observed)!r}"
        script = f"import gpjepa; gpjepa.evaluate({pair}, baselines=False)"
        spent["gpjepa"] = timed([sys.executable, "-c", script], chosen.threads)
        for name, engine in ENGINES.items():
            extra = ["--set", f"de.backend={engine}"]
            spent[name] = cell_eval(predicted, observed, folder / name, chosen.threads, extra=extra)
    document = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "threads": chosen.threads,
        "provenance": provenance("python -m benchmarks eval-speed", 0),
        "data": {**vars(chosen), "non_zero": round(share, 3)},
        "seconds": {name: round(time.wall, 2) for name, time in spent.items()},
        "processor_seconds": {name: round(time.processor, 2) for name, time in spent.items()},
        "ratio": {
            name: {
                "wall": round(spent[name].wall / spent["gpjepa"].wall, 2),
                "processor": round(spent[name].processor / spent["gpjepa"].processor, 2),
            }
            for name in ENGINES
        },
    }
    print(json.dumps(document, indent=1))
    return 0
