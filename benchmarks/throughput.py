"""Time training and prediction on simulated cells and print one JSON document.

Numbers are of this machine, this commit and this load: compare only numbers of one call.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import gpjepa
from gpjepa.core.provenance import provenance
from gpjepa.data.perturbseq import PerturbSeq


def processor() -> str:
    """Return the processor's name as the system gives it."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def simulated(genes: int, control: int, perturbed: int) -> PerturbSeq:
    """Return cells of the free preset; sparse, with a total over all genes."""
    config = gpjepa.SimulationConfig(
        preset="free",
        free={"genes": genes},
        cells={"control": control, "perturbed": perturbed},
    )
    adata, _ = gpjepa.simulate(config)
    return gpjepa.read(adata, perturbation="perturbation", library="total_counts", announce=False)


def measure(data: PerturbSeq, steps: int, batch: int) -> dict[str, float]:
    """Return cells per second of Stage A, of Stages B and C, and of prediction."""
    config = gpjepa.Config(
        data={"genes": None},
        pretrain={"epochs": 1, "min_steps": steps, "batch_size": batch},
        fit={"epochs": 1, "min_steps": steps, "max_steps": steps, "batch_size": batch},
    )
    model = gpjepa.GPJEPA(data, config)
    stage_a = model.pretrain()
    stages_bc = model.fit()
    labels = data.perturbations[:8]
    started = time.perf_counter()
    predicted = model.predict(labels, cells=batch)
    seconds = time.perf_counter() - started
    return {
        "stage_a_cells_per_second": stage_a.steps * batch / stage_a.seconds,
        "stages_bc_cells_per_second": stages_bc.steps * batch / stages_bc.seconds,
        "predict_cells_per_second": predicted.n_obs / seconds,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks speed", description=__doc__)
    parser.add_argument("--genes", type=int, default=5000)
    parser.add_argument("--control", type=int, default=2000)
    parser.add_argument("--perturbed", type=int, default=50, help="cells of each perturbation")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=256)
    chosen = parser.parse_args(arguments)
    data = simulated(chosen.genes, chosen.control, chosen.perturbed)
    document = {
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "threads": torch.get_num_threads(),
        "provenance": provenance("python -m benchmarks", 0),
        "data": {"cells": data.n_cells, "genes": data.n_genes, "batch": chosen.batch},
        "speed": {
            name: round(value, 1)
            for name, value in measure(data, chosen.steps, chosen.batch).items()
        },
    }
    print(json.dumps(document, indent=1))
    return 0
