"""The numbers that `torch.rand` draws, drawn faster."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Generator, Tensor

from gpjepa.model.kernels import available

MANY = 4096  # numbers from which reading and writing the generator's state is worth it
BYTES, WORDS = 5056, 624  # of torch's CPU generator: its state, and the words of its twister
LEFT, NEXT, TWISTER = slice(8, 12), slice(16, 24), slice(24, 24 + 8 * WORDS)  # bytes of the state


def rand(shape: tuple[int, ...], generator: Generator, device: torch.device) -> Tensor:
    """Return what `torch.rand` does, and leave the generator where that does."""
    few = math.prod(shape) < MANY
    if few or {device.type, generator.device.type} != {"cpu"} or not _serves():
        return torch.rand(shape, generator=generator, device=device)
    return _drawn(shape, generator)


def _drawn(shape: tuple[int, ...], generator: Generator) -> Tensor:
    from gpjepa.model.kernels import twister

    # left: how many numbers there are until the words are regenerated, and one
    state = generator.get_state().numpy()
    left, following = state[LEFT].view(np.int32), state[NEXT].view(np.uint64)
    held = state[TWISTER].view(np.uint64)
    words, out = held.astype(np.uint32), torch.empty(math.prod(shape))
    at = twister.uniform(words, WORDS + 1 - int(left[0]), out.numpy())
    held[:], left[0], following[0] = words, WORDS + 1 - at, at
    generator.set_state(torch.from_numpy(state))
    return out.view(shape)


def _serves() -> bool:
    single = torch.get_default_dtype() == torch.float32
    return single and available(torch.empty(0)) and _known()


@cache
def _known() -> bool:
    """Tell whether this torch draws as is known here: its numbers and its state are compared."""
    one, other = (Generator().manual_seed(1) for _ in range(2))
    if len(one.get_state()) != BYTES:
        return False
    for count in (1, WORDS - 1, WORDS, 3 * WORDS + 5):
        expected = torch.rand(count, generator=one)
        if not torch.equal(_drawn((count,), other), expected):
            return False
        if not torch.equal(one.get_state(), other.get_state()):
            return False
    return True
