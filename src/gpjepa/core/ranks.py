"""The processes that share a run: which one this is, and which rows of a batch it has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
SRUN = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES")


@dataclass(frozen=True)
class Rows:
    """The rows from `start` to `stop` of a batch of `total`, cut for so many `processes`."""

    start: int
    stop: int
    total: int
    processes: int = 1

    @property
    def alone(self) -> bool:
        """Tell whether all rows are here."""
        return self.processes == 1

    @property
    def here(self) -> slice:
        """Return where the rows are in the batch."""
        return slice(self.start, self.stop)

    @property
    def weight(self) -> float:
        """Return what a mean over these rows counts for in the mean over processes."""
        return (self.stop - self.start) * self.processes / self.total

    def times(self, size: int) -> Rows:
        """Return the rows of a batch in which each of these stands for `size`."""
        return Rows(self.start * size, self.stop * size, self.total * size, self.processes)


@dataclass(frozen=True)
class Ranks:
    """Process `rank` of `size`, of which each machine has as many as any other."""

    rank: int = 0
    size: int = 1
    nodes: int = 1

    @property
    def first(self) -> bool:
        """Tell whether this is the process that prints and writes."""
        return self.rank == 0

    def rows(self, total: int) -> Rows:
        """Return this process's share of a batch: as many rows as any other, or one more."""
        each, more = divmod(total, self.size)
        start = self.rank * each + min(self.rank, more)
        return Rows(start, start + each + (self.rank < more), total, self.size)


ALONE = Ranks()


def started_by(environment: Mapping[str, str] | None = None) -> tuple[str, Ranks]:
    """Return what started the processes, "torchrun", "srun" or nothing, and which one this is.

    Told from the `environment`, by default that of this process. A batch script of SLURM that
    does not call srun is one process.
    """
    told = os.environ if environment is None else environment
    if all(name in told for name in TORCHRUN) and int(told["WORLD_SIZE"]) > 1:
        size = int(told["WORLD_SIZE"])
        nodes = size // int(told.get("LOCAL_WORLD_SIZE", size))
        return "torchrun", Ranks(int(told["RANK"]), size, nodes)
    if all(name in told for name in SRUN) and int(told["SLURM_STEP_NUM_TASKS"]) > 1:
        size = int(told["SLURM_STEP_NUM_TASKS"])
        return "srun", Ranks(int(told["SLURM_PROCID"]), size, int(told["SLURM_STEP_NUM_NODES"]))
    return "", ALONE
