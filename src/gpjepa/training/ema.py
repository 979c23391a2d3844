"""The teacher: a gradient-free moving average of the encoder."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def momentum(step: int, steps: int, start: float) -> float:
    """Return the teacher's momentum, rising from `start` to 1 along half a cosine.

    Source: Grill et al. 2020 (BYOL).
    """
    progress = min(1.0, step / max(1, steps))
    return 1.0 - (1.0 - start) * (math.cos(math.pi * progress) + 1.0) / 2.0


def make_teacher(student: Module) -> Module:
    """Return a frozen copy of `student`."""
    teacher = copy.deepcopy(student)
    teacher.requires_grad_(False)
    return teacher


@torch.no_grad()
def move_teacher(teacher: nn.Module, student: nn.Module, share: float) -> None:
    """Move every parameter of `teacher` by 1 − `share` towards `student`; copy the buffers.

    Raises `KeyError` naming parameters or buffers that only one of them has.
    """
    own, others = _alike(teacher.named_parameters(), student.named_parameters())
    torch._foreach_lerp_(own, others, 1.0 - share)
    for buffer, other in zip(
        *_alike(teacher.named_buffers(), student.named_buffers()), strict=True
    ):
        buffer.copy_(other)


def _alike(
    own: Iterator[tuple[str, Tensor]], others: Iterator[tuple[str, Tensor]]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return what two modules have, in one order; raise `KeyError` for names of one alone."""
    here, there = dict(own), dict(others)
    if here.keys() != there.keys():
        raise KeyError(f"of teacher or student alone: {sorted(here.keys() ^ there.keys())}")
    return list(here.values()), [there[name] for name in here]
