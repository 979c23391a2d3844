"""Counts of decoded latents whose rates are made when they are read, a few genes at a time.

A pass over the rates of all cells and genes through memory costs more than making them anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gpjepa.model.count_terms import scaled_shares
from gpjepa.model.distributions import CountDistribution, NegativeBinomial
from gpjepa.model.kernels import blocks, lent, side_by_side
from gpjepa.model.sparse_counts import Counts

ROWS = 64  # cells whose logits lie in the cache together
NOTHING = -1e30  # a logit


@dataclass(frozen=True, eq=False)
class DecodedCounts:
    """Negative binomial counts, `mu` the softmax over classes times the library; compiled.

    Single precision on the CPU, without gradients.
    """

    state: Float[Tensor, "B D"]
    weight: Float[Tensor, "C D"]
    bias: Float[Tensor, " C"]
    library: Float[Tensor, " B"]
    dispersion: Float[Tensor, " G"]

    @cached_property
    def plain(self) -> NegativeBinomial:
        """Return the same distribution with all its rates."""
        given = (self.state, self.weight, self.bias, self.library, len(self.dispersion))
        return NegativeBinomial(scaled_shares(*given), self.dispersion)

    @cached_property
    def table(self) -> np.ndarray:
        """Return the weights tile by tile, as `rate_tiles` reads them."""
        from gpjepa.model.kernels import rate_tiles

        classes, width = self.weight.shape
        size = rate_tiles.TILE
        found = np.empty((-(-classes // size), width, size), np.float32)
        rate_tiles.tiled(lent(self.weight), found)
        return found

    @cached_property
    def biases(self) -> np.ndarray:
        """Return the biases tile by tile; those beyond the last class leave it no share."""
        tiles, _, size = self.table.shape
        found = np.full(tiles * size, NOTHING, np.float32)
        found[: len(self.bias)] = lent(self.bias)
        return found.reshape(tiles, size)

    @property
    def mu(self) -> Float[Tensor, "B G"]:
        """Expected counts, all of them."""
        return self.plain.mu

    @property
    def mean(self) -> Float[Tensor, "B G"]:
        """Expected counts, all of them."""
        return self.plain.mu

    @property
    def variance(self) -> Float[Tensor, "B G"]:
        """Variance of the counts."""
        return self.plain.variance

    def log_likelihood(self, counts: Counts) -> Float[Tensor, " B"]:
        """Return log p(counts) in nats per cell, summed over genes."""
        return self.plain.log_likelihood(counts)

    def sample(self, generator: Generator) -> Float[Tensor, "B G"]:
        """Draw counts."""
        return self.plain.sample(generator)

    @cached_property
    def levels(self) -> np.ndarray:
        """Return [2, B] what makes rates of logits: the greatest logit, and a factor."""
        from gpjepa.model.kernels import rate_tiles

        found = np.empty((2, len(self.state)), np.float32)
        edges = blocks(len(self.state), size=ROWS)
        read = (self.state.numpy(), self.table, self.biases, self.library.numpy())
        side_by_side(lambda i: rate_tiles.levels(*read, *edges[i], *found), len(edges))
        return found

    def total(self) -> Float[Tensor, " C"]:
        """Return the expected counts of all classes, added up over the cells."""
        from gpjepa.model.kernels import rate_tiles

        edges = blocks(len(self.state), size=ROWS)
        sums = np.empty((len(edges), *self.biases.shape), np.float32)
        read = (self.state.numpy(), self.table, self.biases, self.library.numpy())
        side_by_side(lambda i: rate_tiles.added_up(*read, *edges[i], sums[i]), len(edges))
        whole = sums.sum(axis=0, dtype=np.float64).ravel()[: len(self.bias)]
        return torch.from_numpy(whole.astype(np.float32))

    def finite(self) -> bool:
        """Tell whether all rates are finite numbers."""
        return bool(np.isfinite(self.levels).all())


def finite(counts: CountDistribution) -> bool:
    """Tell whether all expected counts are finite numbers."""
    if isinstance(counts, DecodedCounts):
        return counts.finite()
    return bool(torch.isfinite(counts.mean.sum(dim=1)).all())
