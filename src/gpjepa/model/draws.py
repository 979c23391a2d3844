"""Random numbers of a batch of which this process has some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gpjepa.core.ranks import Rows
from gpjepa.model.twister import rand


@dataclass(frozen=True)
class SharedGenerator:
    """Draws for a whole batch, of which the `rows` that are here are kept.

    So several processes draw what one does. `largest` returns the largest of their numbers.
    """

    generator: Generator
    rows: Rows
    largest: Callable[[int], int]


Source = Generator | SharedGenerator


def uniform(shape: tuple[int, ...], source: Source, device: torch.device) -> Tensor:
    """Draw numbers in [0, 1), a row for each row that is here."""
    if isinstance(source, Generator):
        return rand(shape, source, device)
    whole = (source.rows.total, *shape[1:])
    return rand(whole, source.generator, device)[source.rows.here]


def normal(like: Tensor, source: Source) -> Tensor:
    """Draw standard normal numbers of the shape, type and device of `like`."""
    if isinstance(source, Generator):
        return torch.empty_like(like).normal_(generator=source)
    whole = like.new_empty((source.rows.total, *like.shape[1:]))
    return whole.normal_(generator=source.generator)[source.rows.here]


def integers(high: int, shape: tuple[int, int], source: Source, device: torch.device) -> Tensor:
    """Draw integers below `high`, a row for each row that is here."""
    if isinstance(source, Generator):
        return torch.randint(high, shape, generator=source, device=device)
    whole = (source.rows.total, shape[1])
    drawn = torch.randint(high, whole, generator=source.generator, device=device)
    return drawn[source.rows.here]


def shared_draw(size: int, source: Source, device: torch.device) -> Tensor:
    """Draw numbers in [0, 1) that are the same for all rows, wherever they are."""
    generator = source if isinstance(source, Generator) else source.generator
    return torch.rand(size, generator=generator, device=device)


def largest(number: int, source: Source) -> int:
    """Return the largest of the numbers that the processes have."""
    return number if isinstance(source, Generator) else source.largest(number)
