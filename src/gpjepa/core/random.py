"""Random streams named by what they are for, so that one draw never shifts another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed that is a pure function of `seed` and the stream's names."""
    digest = hashlib.blake2b(repr((int(seed), *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the numpy generator of the stream called `names` under `seed`."""
    return np.random.default_rng(derive_seed(seed, *names))


def torch_stream(
    seed: int, *names: str | int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return the torch generator of the stream called `names` under `seed`."""
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))
