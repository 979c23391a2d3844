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


class Following:
    """A teacher that follows a student; what moves is looked up once.

    Raises `KeyError` naming parameters or buffers that only one of them has.
    """

    def __init__(self, teacher: nn.Module, student: nn.Module) -> None:
        self._parameters = _alike(teacher.named_parameters(), student.named_parameters())
        self._buffers = _alike(teacher.named_buffers(), student.named_buffers())

    @torch.no_grad()
    def move(self, share: float) -> None:
        """Move every parameter of the teacher by 1 − `share` of the way; copy the buffers."""
        torch._foreach_lerp_(*self._parameters, 1.0 - share)
        for buffer, other in zip(*self._buffers, strict=True):
            buffer.copy_(other)


def _alike(
    own: Iterator[tuple[str, Tensor]], others: Iterator[tuple[str, Tensor]]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return what two modules have, in one order; raise `KeyError` for names of one alone."""
    here, there = dict(own), dict(others)
    if here.keys() != there.keys():
        raise KeyError(f"of teacher or student alone: {sorted(here.keys() ^ there.keys())}")
    return list(here.values()), [there[name] for name in here]
