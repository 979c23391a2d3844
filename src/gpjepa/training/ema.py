"""The teacher: a gradient-free moving average of the encoder."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import nn

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
    """Move every parameter of `teacher` by 1 − `share` towards `student`; copy the buffers."""
    own = dict(teacher.named_parameters())
    for name, parameter in student.named_parameters():
        own.pop(name).lerp_(parameter.detach(), 1.0 - share)
    if own:
        raise KeyError(f"teacher parameters without a student: {sorted(own)}")
    buffers = dict(student.named_buffers())
    for name, buffer in teacher.named_buffers():
        buffer.copy_(buffers[name])
