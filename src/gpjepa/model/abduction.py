"""Counterfactual counts: what a measured cell would have shown had its rates been others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from gpjepa.model.counterfactual_rows import Rule, by_rows, decoded
from gpjepa.model.distributions import (
    TINY,
    CountDistribution,
    ZeroInflatedNegativeBinomial,
    draw_negative_binomial,
)
from gpjepa.model.kernels import available
from gpjepa.model.sparse_counts import SparseCounts, sparse_of

PRIOR = 0.5  # counts added on both sides when the sum of a gene is brought to its mean
ROUNDS = 5  # of Newton's method on that
CLOSE = 1e-3  # relative change of a factor at which they end
RULE = Rule(PRIOR, ROUNDS, CLOSE)


def counterfactual(
    counts: Float[Tensor, "B G"],
    before: CountDistribution,
    after: CountDistribution,
    generator: Generator,
) -> Float[Tensor, "B G"]:
    """Return the counts of the same cells when `after` replaces the distribution `before`.

    Abduction, action, prediction (Pearl 2009, ch. 7) with counts as a Poisson process run up to
    the cell's own rate λ. A rate that falls by r keeps each count with probability r, a rate that
    rises gains Poisson((r − 1) λ) counts with λ drawn from what the count says of it,
    Gamma(θ + x, θ/μ + 1). Where cells follow `before` the result follows `after` exactly, gene by
    gene; where they do not, what the model leaves unexplained in them, and how their genes vary
    together, is kept, and without any change so are the counts.

    The cells are looked at together: gene by gene the ratios share a factor that brings the
    expected sum to that of `after`, so that neither which cells were drawn nor what the model
    leaves unexplained moves the mean. Counts of cells on their own come from one row at a time.
    """
    gone: Bool[Tensor, "B G"] | None = None
    if isinstance(before, ZeroInflatedNegativeBinomial):
        assert isinstance(after, ZeroInflatedNegativeBinomial)
        counts, gone = _without_inflation(counts, before, after, generator)
    elif _compiled(counts, before, after):
        return by_rows(sparse_of(counts), before, [after], [generator], RULE)[0].dense()
    rate = expected_rate(counts, before)
    ratio = _ratio(counts, rate, before, after, gone).flatten()
    changed, rate = counts.flatten(), rate.flatten()
    falls = torch.nonzero((ratio < 1.0) & (changed > 0)).squeeze(1)
    rises = torch.nonzero(ratio > 1.0).squeeze(1)
    size = (counts + before.dispersion).flatten()[rises]
    more = (ratio[rises] - 1.0) * rate[rises] / size
    gained = torch.poisson(torch._standard_gamma(size, generator=generator) * more, generator)
    changed = changed.index_add(0, rises, gained)
    kept = torch.binomial(changed[falls], ratio[falls], generator)
    changed = changed.index_copy(0, falls, kept).view_as(counts)
    return changed if gone is None else changed.masked_fill(gone, 0.0)


def counterfactual_counts(
    counts: SparseCounts,
    before: CountDistribution,
    after: Sequence[CountDistribution],
    generators: Sequence[Generator],
) -> list[SparseCounts]:
    """Return what `counterfactual` does under each of several changes, without the zeros."""
    inflated = isinstance(before, ZeroInflatedNegativeBinomial)
    if not inflated and (decoded(before, *after) or _compiled(counts.value, before, *after)):
        return by_rows(counts, before, after, generators, RULE)
    dense, pairs = counts.dense(), zip(after, generators, strict=True)
    return [sparse_of(counterfactual(dense, before, *each)) for each in pairs]


def expected_rate(
    counts: Float[Tensor, "B G"], distribution: CountDistribution
) -> Float[Tensor, "B G"]:
    """Return E[λ | x] = μ (θ + x)/(θ + μ), the rate that a count says its gene has in a cell."""
    theta, mu = distribution.dispersion, distribution.mu
    return mu * (theta + counts) / (theta + mu)


def abducted_rate(
    counts: Float[Tensor, "B G"], distribution: CountDistribution, generator: Generator
) -> Float[Tensor, "B G"]:
    """Draw λ | x from Gamma(θ + x, θ/μ + 1): the cell's own rates."""
    size = (counts + distribution.dispersion).contiguous()
    gain = torch._standard_gamma(size, generator=generator) / size
    return gain * expected_rate(counts, distribution)


def _compiled(value: Tensor, before: CountDistribution, *after: CountDistribution) -> bool:
    return available(value, before.mu, before.dispersion, *(each.mu for each in after))


def _ratio(
    counts: Float[Tensor, "B G"],
    rate: Float[Tensor, "B G"],
    before: CountDistribution,
    after: CountDistribution,
    gone: Bool[Tensor, "B G"] | None,
) -> Float[Tensor, "B G"]:
    """Return by what each rate changes, with the factors that bring the sums to their means.

    Newton's method on the expected sum of a gene, which rises piecewise linearly with its factor.
    `rate` is what is expected of each cell's rates; what is `gone` counts nothing.
    """
    ratio = after.mu / before.mu.clamp_min(TINY)
    if gone is not None:
        counts, rate = counts.masked_fill(gone, 0.0), rate.masked_fill(gone, 0.0)
    wanted = after.mean.sum(dim=0) + PRIOR
    factor, total = torch.ones_like(wanted), counts.sum(dim=0)
    for _ in range(ROUNDS):
        slope = torch.where(ratio * factor < 1.0, counts, rate)
        steepness = (slope * ratio).sum(dim=0) + PRIOR
        # x r where a rate falls by r, x + (r − 1) E[λ | x] where it rises
        expected = factor * steepness + total - slope.sum(dim=0)
        change = (factor + (wanted - expected) / steepness).clamp(0.1 * factor, 10.0 * factor)
        settled = bool(((change - factor).abs() <= CLOSE * factor).all())
        factor = change
        if settled:
            break
    return ratio * factor


def _without_inflation(
    counts: Float[Tensor, "B G"],
    before: ZeroInflatedNegativeBinomial,
    after: ZeroInflatedNegativeBinomial,
    generator: Generator,
) -> tuple[Float[Tensor, "B G"], Bool[Tensor, "B G"]]:
    """Return counts as they were before inflation, and where `after` makes them zero.

    One uniform number a cell and gene says whether a count is lost, u < π: a count above zero
    tells that u ≥ π, a zero was lost with probability π/(π + (1 − π) NB(0)). The same u meets the
    probability of `after`.
    """
    lost, theta = torch.sigmoid(before.zero_logit), before.dispersion
    silent = torch.exp(-theta * torch.log1p(before.mu / theta))
    chance = torch.where(counts > 0, 0.0, lost / (lost + (1.0 - lost) * silent))
    hidden = _uniform(counts, generator) < chance
    low, high = torch.where(hidden, 0.0, lost), torch.where(hidden, lost, 1.0)
    place = low + (high - low) * _uniform(counts, generator)
    drawn = draw_negative_binomial(before.mu, theta, generator)
    return torch.where(hidden, drawn, counts), place < torch.sigmoid(after.zero_logit)


def _uniform(like: Tensor, generator: Generator) -> Tensor:
    return torch.rand(like.shape, generator=generator, device=like.device)
