"""Where the time of a training step goes, printed as one JSON document.

Parts of a step by the CPU time of the process, medians over steps; and by torch.profiler the
products with the rate they reach, beside that of one large product measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.made_cells import made_cells
from benchmarks.stages import Stepper, stage_of, trainee
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::addmv_", "aten::addmv")


def spent(work: Any) -> float:
    """Return the milliseconds of CPU time that some work takes."""
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def parts_of(stepper: Stepper, steps: int) -> dict[str, float]:
    """Return the milliseconds of each part of a step."""
    rows = [{name: spent(part) for name, part in stepper.parts().items()} for _ in range(steps)]
    return {name: round(median(row[name] for row in rows), 2) for name in rows[0]}


def operations(stepper: Stepper, steps: int, most: int) -> dict[str, Any]:
    """Return the products' share and rate, and the operations that take longest."""
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as seen:
        for _ in range(steps):
            stepper()
    events = seen.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    products = [event for event in events if event.key in PRODUCTS]
    busy = sum(event.self_cpu_time_total for event in products)
    longest = sorted(events, key=lambda event: -event.self_cpu_time_total)[:most]
    return {
        "products_share": round(busy / total, 3),
        "products_gflops": round(sum(event.flops for event in products) / busy / 1e3, 1),
        "longest_ms": {
            event.key: round(event.self_cpu_time_total / steps / 1e3, 2) for event in longest
        },
    }


def machine_gflops(batch: int, genes: int, hidden: int = 128) -> float:
    """Return the rate of the encoder's first product alone."""
    cells, weight = torch.randn(2 * batch, genes), torch.randn(hidden, genes)
    span = min(spent(lambda: cells @ weight.t()) for _ in range(20))
    return round(2.0 * cells.numel() * hidden / span / 1e6, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the profile that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks step", description=__doc__)
    parser.add_argument("--cells", type=int, default=6_000)
    parser.add_argument("--genes", type=int, default=5_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--operations", type=int, default=12, help="the longest that are listed")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    prepared = trainee(made_cells(chosen.cells, chosen.genes), chosen.batch)
    stages = {}
    for name in ("a", "bc"):
        stepper = Stepper(stage_of(prepared, name))
        for _ in range(3):
            stepper()
        parts = parts_of(stepper, chosen.steps)
        stages[name] = {
            "cpu_ms": parts,
            "cpu_ms_of_a_step": round(sum(parts.values()), 2),
            **operations(stepper, chosen.steps, chosen.operations),
        }
    document = {
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "load": [round(x, 1) for x in os.getloadavg()],
        "provenance": provenance("python -m benchmarks step", 0),
        "kernels": os.environ.get("GPJEPA_KERNELS", "compiled"),
        "data": {"cells": chosen.cells, "genes": chosen.genes, "batch": chosen.batch},
        "threads": chosen.threads,
        "machine_gflops": machine_gflops(chosen.batch, chosen.genes),
        "stages": stages,
    }
    print(json.dumps(document, indent=1))
    return 0
