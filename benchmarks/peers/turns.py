"""What every worker shares: a program is prepared once and then does one timed turn a request.

Nothing but the standard library is imported here: workers run in the peers' environments.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Protocol

Clock = tuple[float, float]  # seconds of the clock and of this process's CPU time
Rates = dict[str, float]  # per second of "wall" and of "cpu"


class Enough(Exception):
    """Raised inside a peer's training loop when enough steps were timed."""


class Program(Protocol):
    """A prepared program; `facts` say what was built, in words and numbers."""

    facts: dict[str, Any]

    def train(self, batch: int) -> Rates:
        """Take a few steps of `batch` cells; return training cells per second."""
        ...

    def predict(self) -> Rates:
        """Predict cells of perturbations; return cells per second."""
        ...


def now() -> Clock:
    """Return the clock and the CPU time of this process."""
    return time.perf_counter(), time.process_time()


def rates(amount: float, start: Clock, end: Clock) -> Rates:
    """Return `amount` over the time between two clocks."""
    wall, cpu = (max(b - a, 1e-9) for a, b in zip(start, end, strict=True))
    return {"wall": amount / wall, "cpu": amount / cpu}


def timed(amount: float, work: Callable[[], Any]) -> Rates:
    """Do `work` once; return `amount` per second of it."""
    start = now()
    work()
    return rates(amount, start, now())


@dataclass
class Steps:
    """Clocks at the ends of steps: called after each, it raises `Enough` after `warm` + `count`."""

    count: int
    warm: int = 2
    clocks: list[Clock] = field(default_factory=list)

    def __call__(self) -> None:
        """Note the end of a step."""
        self.clocks.append(now())
        if len(self.clocks) > self.warm + self.count:
            raise Enough

    def rates(self, batch: int) -> Rates:
        """Return cells per second of the median step after the first `warm`."""
        found = [rates(batch, *pair) for pair in pairwise(self.clocks[self.warm :])]
        if not found:
            raise ValueError(f"{len(self.clocks)} steps ended; expected over {self.warm + 1}")
        return {kind: median(one[kind] for one in found) for kind in ("wall", "cpu")}


def serve(prepare: Callable[[str, str, int], Program]) -> None:
    """Answer lines of standard input: `prepare(file, folder, threads)`, then turns.

    One JSON line tells the facts when all is prepared; each line read, a batch size, then
    gives one JSON line with the rates of a turn. What the program prints goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    file, folder, threads = sys.argv[1:4]
    program = prepare(file, folder, int(threads))
    print(json.dumps(program.facts), file=answers, flush=True)
    for line in sys.stdin:
        turn = {"train": program.train(int(line)), "predict": program.predict()}
        print(json.dumps(turn), file=answers, flush=True)
