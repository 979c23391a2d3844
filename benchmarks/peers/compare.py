"""Time gpjepa beside other programs on the same cells and print one JSON document with the ratios.

Each program is prepared once in a process of its own and then does short turns of training and
prediction, ours and theirs alternately; figures are medians over rounds. On a busy machine the
ratio to read is that of CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environments import ROOT, environment, plain_environment
from benchmarks.made_cells import made_cells
from benchmarks.throughput import processor
from gpjepa.core.provenance import provenance

OURS = "benchmarks.peers.our_worker"
Turn = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Peer:
    """A program, where it is installed and the batch that it trains with by default."""

    worker: str
    environment: str  # a folder of benchmarks with requirements.txt and constraints.txt
    batch: int
    reach_train: float | None  # ours ÷ theirs in training; None: none is set
    reach_predict: float | None

    def python(self) -> str:
        """Return the python of its environment, made on first use."""
        constraints = ROOT / self.environment / "constraints.txt"
        return str(environment(self.environment, constraints))


PEERS = {
    "gears": Peer("benchmarks.peers.gears.worker", "gears_split", 32, 400, 100),
    "biolord": Peer("benchmarks.peers.biolord.worker", "peers/biolord", 128, 4, None),
    "state": Peer("benchmarks.peers.state.worker", "peers/state", 2048, 10, 20),
    "cellflow": Peer("benchmarks.peers.cellflow.worker", "peers/cellflow", 256, None, 100),
}


class Worker:
    """A process that holds one prepared program; `facts` are what it says of itself."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        variables = {**plain_environment(threads), "PYTHONPATH": _path()}
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env=variables, cwd=ROOT.parent,
        )  # fmt: skip
        self.facts = self._answer()

    def turn(self, batch: int) -> Turn:
        """Ask for one turn at a batch size and wait for its rates."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{batch}\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.log.seek(0)
            raise SystemExit(f"a worker ended with {code}:\n{self.log.read()[-3000:]}")
        return json.loads(line)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()


def _path() -> str:
    """Return where workers find `benchmarks` and, for ours, the package of this checkout."""
    return os.pathsep.join((str(ROOT.parent), str(ROOT.parent / "src")))


def table(rounds: Sequence[tuple[Turn, Turn]]) -> dict[str, Any]:
    """Return medians of both rates and of their ratios, by clock and by CPU time."""
    return {
        what: {
            kind: {
                "gpjepa": figure(median(own[what][kind] for own, _ in rounds)),
                "peer": figure(median(their[what][kind] for _, their in rounds)),
                "ratio": figure(median(a[what][kind] / b[what][kind] for a, b in rounds)),
            }
            for kind in ("wall", "cpu")
        }
        for what in ("train", "predict")
    }


def figure(value: float) -> float:
    """Return a number to three digits."""
    return float(f"{value:.3g}")


def reached(found: dict[str, Any], peer: Peer, kind: str = "cpu") -> dict[str, Any]:
    """Return the reach of each ratio and whether it is met."""
    reaches = {"train": peer.reach_train, "predict": peer.reach_predict}
    return {
        what: {"reach": reach, "met": found[what][kind]["ratio"] >= reach}
        for what, reach in reaches.items()
        if reach is not None
    }


def started(stack: ExitStack, python: str, worker: str, file: Path, threads: int) -> Worker:
    """Start a worker that ends with the stack."""
    command = [python, "-m", worker, str(file), str(file.parent), str(threads)]
    return stack.enter_context(Worker(command, threads))


def beside(ours: Worker, name: str, file: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Return the table of one peer with what it says of itself."""
    peer = PEERS[name]
    with ExitStack() as stack:
        theirs = started(stack, peer.python(), peer.worker, file, threads)
        turns = [(ours.turn(peer.batch), theirs.turn(peer.batch)) for _ in range(rounds)]
    found = table(turns)
    told = {"batch": peer.batch, **theirs.facts}
    return {"facts": told, "speed": found, "reach": reached(found, peer)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=5_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="keep what is measured in this file")
    chosen = parser.parse_args(arguments)
    document = {
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "load": [round(x, 1) for x in os.getloadavg()],
        "provenance": provenance("python -m benchmarks peers", 0),
        "data": {"cells": chosen.cells, "genes": chosen.genes, "perturbations": 100},
        "rounds": chosen.rounds,
        "peers": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cells.h5ad"
        made_cells(chosen.cells, chosen.genes, singles=100, pairs=0).write_h5ad(file)
        for threads in chosen.threads:
            with ExitStack() as stack:
                ours = started(stack, sys.executable, OURS, file, threads)
                document["gpjepa"] = ours.facts
                for name in chosen.only:
                    found = beside(ours, name, file, threads, chosen.rounds)
                    document["peers"].setdefault(name, {})[f"{threads} threads"] = found
                    if chosen.write is not None:  # what was measured stays if a later peer fails
                        chosen.write.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))
    return 0
