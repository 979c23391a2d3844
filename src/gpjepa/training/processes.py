"""The processes that train together: how they are joined, and how they wait for each other."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from inspect import signature
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from gpjepa.core.errors import ConfigError, ProcessError, first_line
from gpjepa.core.ranks import ALONE, Ranks, started_by
from gpjepa.training.sharding import cut

DEVICES = ("auto", "cpu", "cuda")
LOGGERS = ("lightning_fabric", "lightning_fabric.utilities.distributed")
STRATEGIES = ("auto", "ddp", "fsdp")
ANSWER = 60.0  # seconds in which a process answers within a step
_SAID_OF_OTHERS = ("gloo", "nccl", "connection", "pair closure")
PATIENCE = 1800.0  # seconds between steps: while data are prepared, judged or written

StrategyName = Literal["auto", "ddp", "fsdp"]


def open_fabric(
    device: str = "auto", strategy: StrategyName = "auto", answer: float = ANSWER
) -> Fabric:
    """Return the lightning-fabric that training runs on, in float32.

    Under torchrun or srun it is of all their processes, each with a device; else of one device.
    A process that does not answer for `answer` seconds within a step ends the others. Raises
    `ConfigError` for a device that is not known or not there, or too few of them.
    """
    _require_device(device)
    _require_strategy(strategy)
    starter, ranks = started_by()
    if ranks.size == 1:
        return Fabric(accelerator=device, devices=1, plugins=[LightningEnvironment()])
    each = ranks.size // ranks.nodes
    _require_devices(device, each)
    fabric = Fabric(
        accelerator=device,
        devices=each,
        num_nodes=ranks.nodes,
        strategy=_strategy(strategy, timedelta(seconds=answer)),
        plugins=[_environment(starter)],
    )
    with answering(), _quietly():
        fabric.launch()
    atexit.register(_part)
    return fabric


def _part() -> None:
    """Leave the other processes; threads of gloo that outlive Python abort it now and then."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave out what lightning tells of every process that joins."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _environment(starter: str) -> ClusterEnvironment:
    """Return where lightning reads of the other processes; raise `ConfigError` for odd tasks."""
    if starter != "srun":
        return TorchElasticEnvironment()
    try:
        return SLURMEnvironment()
    except RuntimeError as error:
        raise ConfigError(
            "srun started tasks that are not told by node; expected as many on each node; reserve "
            "them with --ntasks-per-node in place of --ntasks"
        ) from error


def _strategy(name: StrategyName, timeout: timedelta) -> Strategy:
    """Return gradients averaged over processes, or parameters cut among them too.

    Buffers do not change in training but with the whole batch, so they are never sent; a
    parameter may be without gradient, such as those of members that a process has none of.
    """
    if name == "fsdp":
        return ModelParallelStrategy(
            cut,
            data_parallel_size=started_by()[1].size,
            tensor_parallel_size=1,
            timeout=timeout,
        )
    known = signature(DistributedDataParallel).parameters
    sent = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    never: dict[str, Any] = {sent: False}
    return DDPStrategy(timeout=timeout, find_unused_parameters=True, **never)


@dataclass(frozen=True, eq=False)
class Processes:
    """The processes of a fabric, this one among them."""

    fabric: Fabric

    @property
    def ranks(self) -> Ranks:
        """Return which process this is of how many."""
        fabric = self.fabric
        return ALONE if fabric.world_size == 1 else Ranks(fabric.global_rank, fabric.world_size)

    def averaged(self, numbers: Sequence[float]) -> list[float]:
        """Return the means over processes."""
        if self.ranks.size == 1:
            return list(numbers)
        told = torch.tensor(numbers, dtype=torch.float64, device=self.fabric.device)
        distributed.all_reduce(told)
        return [float(number) for number in told / self.ranks.size]

    def of_first(self, numbers: dict[str, float]) -> dict[str, float]:
        """Return the numbers that the first process has, by the same names."""
        if self.ranks.size == 1:
            return numbers
        values = list(numbers.values())
        told = torch.tensor(values, dtype=torch.float64, device=self.fabric.device)
        distributed.broadcast(told, 0)
        return dict(zip(numbers, told.tolist(), strict=True))

    def any(self, flag: bool) -> bool:
        """Tell whether a process says yes."""
        return flag if self.ranks.size == 1 else self.averaged([float(flag)])[0] > 0.0

    def alike(self, number: int, what: str) -> int:
        """Return a number that all processes have; raise `ProcessError` when they differ."""
        mean = self.averaged([float(number)])[0]
        if self.any(mean != number):
            raise ProcessError(
                f"process {self.ranks.rank} has {what} {number}, others another; expected the same "
                "files on every machine; write the run to a folder that they share"
            )
        return number

    def meet(self) -> None:
        """Wait for all processes, however long they prepare or write."""
        meet()


def meet() -> None:
    """Wait until all processes are here; alone, do nothing."""
    if distributed.is_available() and distributed.is_initialized():
        with answering():
            distributed.barrier(group=waiting_room())


def gathered(part: Any) -> list[Any]:
    """Return the parts of all processes on the first of them, in order; on others nothing."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return [part]
    first = distributed.get_rank() == 0
    parts: list[Any] = [None] * distributed.get_world_size() if first else []
    with answering():
        distributed.gather_object(part, parts if first else None, group=waiting_room())
    return parts


def told(word: Any = None) -> Any:
    """Return the word of the first process, to whom it need be given alone, on all of them."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return word
    words = [word]
    with answering():
        distributed.broadcast_object_list(words, 0, group=waiting_room())
    return words[0]


@cache
def waiting_room() -> Any:
    """Return the group, over the network whatever the device, in which processes are waited for."""
    return distributed.new_group(backend="gloo", timeout=timedelta(seconds=PATIENCE))


@contextmanager
def answering() -> Iterator[None]:
    """Name the error of a process whose others are gone; raise `ProcessError`."""
    try:
        yield
    except RuntimeError as error:
        if not _of_others(error):
            raise
        raise ProcessError(
            f"another process of this run is gone or does not answer ({first_line(error)[:200]}); "
            "expected all of them to the end; look for the error of the first that ended, then go "
            "on from the last checkpoint with --resume"
        ) from error


def _of_others(error: RuntimeError) -> bool:
    """Tell whether an error is that of processes talking to each other."""
    known = tuple(
        kind
        for name in ("DistBackendError", "DistNetworkError", "DistStoreError")
        if isinstance(kind := getattr(distributed, name, None), type)
    )
    words = str(error).lower()
    return isinstance(error, known) or any(word in words for word in _SAID_OF_OTHERS)


def _require_device(device: str) -> None:
    if device not in DEVICES:
        raise ConfigError(
            f"device is {device!r}; expected one of {', '.join(DEVICES)}; pass one of them"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "device is 'cuda', but torch finds no CUDA device; expected one; use 'cpu' or 'auto'"
        )


def _require_strategy(strategy: str) -> None:
    if strategy not in STRATEGIES:
        raise ConfigError(
            f"strategy is {strategy!r}; expected one of {', '.join(STRATEGIES)}; pass one of them"
        )


def _require_devices(device: str, each: int) -> None:
    """Refuse more processes on a machine than it has GPUs, where these are used."""
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu" or (device == "auto" and not found) or each <= found:
        return
    raise ConfigError(
        f"{each} processes were started on a machine with {found} GPUs; expected a GPU for each; "
        "start fewer processes, or use --device cpu"
    )
