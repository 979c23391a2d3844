"""Loops over the genes of cells, compiled by numba where it is installed.

Nothing here is imported before `available` says so: without numba, or with `GPJEPA_KERNELS=plain`
in the environment, the same is done in plain torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

SWITCH = "GPJEPA_KERNELS"
ROWS = 16  # of a block
MANY = 256  # rows of a block, at most, where rows are worked on one by one


def available(*tensors: torch.Tensor) -> bool:
    """Tell whether the compiled loops serve these tensors: float32 on the CPU, with storage.

    Those that `torch.func` transforms, as for a Jacobian, have none.
    """
    plain = os.environ.get(SWITCH, "").strip().lower() == "plain"
    fit = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
    stored = not any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in tensors)
    return fit and stored and not plain and _installed()


@dataclass(frozen=True)
class _Lent:
    """What numpy asks of memory that it is to read."""

    owner: Tensor

    @property
    def __array_interface__(self) -> dict[str, Any]:
        place = (self.owner.data_ptr(), False)
        return {"data": place, "shape": tuple(self.owner.shape), "typestr": "<f4", "version": 3}


def lent(parameter: Tensor) -> np.ndarray:
    """Return a parameter in single precision on the CPU, row by row, for a loop that reads it.

    Its own memory where that is in this order, else a copy. By `Tensor.numpy` torch would lose
    the right to take the memory back, as FSDP does; the array is to be gone by then.
    """
    return np.asarray(_Lent(parameter.detach().contiguous()))


def blocks(*lengths: int, size: int = ROWS) -> list[tuple[int, int]]:
    """Cut consecutive stretches into blocks of `size`; returns where each begins and ends.

    No block holds rows of two stretches, and none depends on the number of threads, so that sums
    over rows do not either.
    """
    edges, start = [], 0
    for length in lengths:
        stop = start + length
        edges += [(at, min(at + size, stop)) for at in range(start, stop, size)]
        start = stop
    return edges


def one_by_one(rows: int) -> list[tuple[int, int]]:
    """Cut rows that are worked on one by one, so that no digit depends on how many go together.

    A call takes as long as some counts of a cell: there are as few blocks as threads and cache let.
    """
    return blocks(rows, size=min(MANY, max(ROWS, -(-rows // torch.get_num_threads()))))


def side_by_side(work: Callable[[int], None], count: int) -> None:
    """Call `work` for 0 to `count` − 1 on torch's threads.

    It must let go of the interpreter's lock and write only what is its own.
    """
    threads = max(1, min(torch.get_num_threads(), count))

    def share(thread: int) -> None:
        for number in range(thread, count, threads):
            work(number)

    others = [_pool(os.getpid()).submit(share, thread) for thread in range(1, threads)]
    share(0)
    for other in others:
        other.result()


@cache
def _installed() -> bool:
    return find_spec("numba") is not None


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the threads of a process; a fork has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix=f"kernels-{process}")
