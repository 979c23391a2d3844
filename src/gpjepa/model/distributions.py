"""Count distributions over genes: negative binomial and its zero-inflated form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import softplus

from gpjepa.model.sparse_counts import Counts, positive

TINY = 1e-8


class CountDistribution(Protocol):
    """Independent counts of G genes in B cells."""

    @property
    def mu(self) -> Float[Tensor, "B G"]:
        """Expected counts before any zero inflation."""
        ...

    @property
    def dispersion(self) -> Float[Tensor, " G"]:
        """The NB size θ of each gene."""
        ...

    @property
    def mean(self) -> Float[Tensor, "B G"]:
        """Expected counts."""
        ...

    @property
    def variance(self) -> Float[Tensor, "B G"]:
        """Variance of the counts."""
        ...

    def log_likelihood(self, counts: Counts) -> Float[Tensor, " B"]:
        """Return log p(counts) in nats per cell, summed over genes."""
        ...

    def sample(self, generator: Generator) -> Float[Tensor, "B G"]:
        """Draw counts, every cell on its own."""
        ...


def nonzero_gain(
    count: Float[Tensor, " N"], mean: Float[Tensor, " N"], dispersion: Float[Tensor, " N"]
) -> Float[Tensor, " N"]:
    """Return log NB(x) − log NB(0) for positive counts, the only place that needs lgamma."""
    ratio = torch.log(mean + TINY) - torch.log(mean + dispersion)
    return (
        torch.lgamma(count + dispersion)
        - torch.lgamma(dispersion)
        - torch.lgamma(count + 1.0)
        + count * ratio
    )


def draw_negative_binomial(
    mean: Float[Tensor, "B G"], dispersion: Float[Tensor, " G"], generator: Generator
) -> Float[Tensor, "B G"]:
    """Draw NB counts as a Poisson with a gamma-distributed rate."""
    shape = dispersion.expand_as(mean)
    rate = torch._standard_gamma(shape.contiguous(), generator=generator) * (mean / shape)
    return torch.poisson(rate, generator=generator)


@dataclass(frozen=True)
class NegativeBinomial:
    """NB with variance μ + μ²/θ; μ per cell and gene, θ per gene.

    Source: the mean–dispersion form of Anscombe 1950; at x = 0 it is −θ·log(1 + μ/θ).
    """

    mu: Float[Tensor, "B G"]
    dispersion: Float[Tensor, " G"]

    @property
    def mean(self) -> Float[Tensor, "B G"]:
        """Expected counts μ."""
        return self.mu

    @property
    def variance(self) -> Float[Tensor, "B G"]:
        """Variance μ + μ²/θ."""
        return self.mu + self.mu.square() / self.dispersion

    def log_likelihood(self, counts: Counts) -> Float[Tensor, " B"]:
        """Return log p(counts) in nats per cell, summed over genes."""
        at_zero = -self.dispersion * torch.log1p(self.mu / self.dispersion)
        cell, gene, count = positive(counts)
        gain = nonzero_gain(count, self.mu[cell, gene], self.dispersion[gene])
        return at_zero.sum(dim=1).index_add(0, cell, gain)

    def sample(self, generator: Generator) -> Float[Tensor, "B G"]:
        """Draw counts."""
        return draw_negative_binomial(self.mu, self.dispersion, generator)


@dataclass(frozen=True)
class ZeroInflatedNegativeBinomial:
    """NB whose counts are replaced by zero with probability sigmoid(zero_logit)."""

    mu: Float[Tensor, "B G"]
    dispersion: Float[Tensor, " G"]
    zero_logit: Float[Tensor, "B G"]

    @property
    def mean(self) -> Float[Tensor, "B G"]:
        """Expected counts (1 − π)·μ."""
        return self.mu * torch.sigmoid(-self.zero_logit)

    @property
    def variance(self) -> Float[Tensor, "B G"]:
        """Variance (1 − π)·(μ + μ²/θ + π·μ²)."""
        inflation = torch.sigmoid(self.zero_logit)
        spread = self.mu + self.mu.square() / self.dispersion + inflation * self.mu.square()
        return (1.0 - inflation) * spread

    def log_likelihood(self, counts: Counts) -> Float[Tensor, " B"]:
        """Return log p(counts) in nats per cell, summed over genes."""
        nb_zero = -self.dispersion * torch.log1p(self.mu / self.dispersion)
        # log(π + (1 − π)·NB(0)) and log(1 − π), both from the logit
        at_zero = softplus(nb_zero - self.zero_logit) - softplus(-self.zero_logit)
        cell, gene, count = positive(counts)
        gain = nonzero_gain(count, self.mu[cell, gene], self.dispersion[gene])
        kept = -softplus(self.zero_logit[cell, gene]) + nb_zero[cell, gene] + gain
        return at_zero.sum(dim=1).index_add(0, cell, kept - at_zero[cell, gene])

    def sample(self, generator: Generator) -> Float[Tensor, "B G"]:
        """Draw counts."""
        counts = draw_negative_binomial(self.mu, self.dispersion, generator)
        return self._inflate(counts, generator)

    def _inflate(self, counts: Float[Tensor, "B G"], generator: Generator) -> Float[Tensor, "B G"]:
        keep = torch.rand(counts.shape, generator=generator, device=counts.device)
        return counts * (keep >= torch.sigmoid(self.zero_logit))
