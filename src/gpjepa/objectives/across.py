"""Moments over the rows of a batch, whichever processes have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, distributed

from gpjepa.core.ranks import Rows
from gpjepa.model.draws import SharedGenerator, Source


@dataclass(frozen=True)
class Across:
    """What is told of a batch by the rows that are here and those of the other processes.

    Processes average their gradients. So a mean over rows enters as this process's `part` of it,
    and what is made of moments, which all processes make alike, as it is. Alone, everything is
    what torch makes of the rows.
    """

    rows: Rows

    @property
    def alone(self) -> bool:
        """Tell whether all rows are here."""
        return self.rows.alone

    def part(self, mean: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """Return a mean over the rows here, so weighted that its mean over processes is of all."""
        return mean if self.alone else mean * self.rows.weight

    def share(self, total: Float[Tensor, ""], count: int) -> Float[Tensor, ""]:
        """Return a sum over what is here of `count` things in all, weighted likewise."""
        return total * (self.rows.processes / max(1, count))

    def total(self, here: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """Return the sum over processes. What is made of it is to be the same on all of them."""
        if self.alone:
            return here
        summed: Tensor = _Summed.apply(here, self.rows.processes)
        return summed

    def mean(self, values: Float[Tensor, "B D"]) -> Float[Tensor, " D"]:
        """Return the mean over all rows."""
        if self.alone:
            return values.mean(dim=0)
        return self.total(values.sum(dim=0)) / self.rows.total

    def covariance(self, views: Float[Tensor, "V B D"]) -> Float[Tensor, "V D D"]:
        """Return the unbiased covariance of each view over all rows.

        It does not change with the mean that rows are centred on, so that needs no gradient.
        """
        centred = views - self.total(views.detach().sum(dim=1, keepdim=True)) / self.rows.total
        return self.total(centred.transpose(1, 2) @ centred) / (self.rows.total - 1)

    def deviation(self, values: Float[Tensor, "B D"]) -> Float[Tensor, " D"]:
        """Return the standard deviation over all rows."""
        if self.alone:
            return values.std(dim=0)
        squares = self.total((values - self.mean(values.detach())).square().sum(dim=0))
        return torch.sqrt(squares / (self.rows.total - 1))

    def draws(self, generator: Generator) -> Source:
        """Return what draws the random numbers of the rows here."""
        if self.alone:
            return generator
        return SharedGenerator(generator, self.rows, _largest)


class _Summed(torch.autograd.Function):
    """A sum over processes that all use alike: each one's gradient is that of all, summed."""

    @staticmethod
    def forward(ctx: Any, here: Tensor, processes: int) -> Tensor:
        """Return the sum."""
        ctx.processes = processes
        summed = here.detach().clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Return the gradient, as many times as there are processes that had it."""
        return grads[0] * ctx.processes, None


def _largest(number: int) -> int:
    backend = distributed.get_backend()
    device = "cuda" if backend == "nccl" else "cpu"
    most = torch.tensor(number, device=device)
    distributed.all_reduce(most, distributed.ReduceOp.MAX)
    return int(most)


WHOLE = Across(Rows(0, 1, 1))
