"""The count decoder d_ψ: latent and library to a distribution over raw counts."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gpjepa.model.count_terms import Asked, count_terms, scaled_shares
from gpjepa.model.decoded import DecodedCounts
from gpjepa.model.distributions import (
    CountDistribution,
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
)
from gpjepa.model.kernels import available


class CountDecoder(nn.Module):
    """Softmax over genes × library = NB mean; θ = exp(log θ) per gene.

    With `has_rest` the softmax has one more class, the rest of the transcriptome, so that
    Σ_g μ_g + μ_rest = library; without it Σ_g μ_g = library.

    Args: `base_rate` [G] (+1 with rest) is the mean share of each class in training cells.
    Source: Lopez et al. 2018 (scVI), with the rest class added for gene panels.
    """

    log_dispersion: Tensor

    def __init__(
        self,
        latent: int,
        base_rate: Float[Tensor, " C"],
        has_rest: bool,
        hidden: int = 0,
        distribution: Literal["nb", "zinb"] = "nb",
    ) -> None:
        super().__init__()
        classes = base_rate.shape[0]
        genes = classes - 1 if has_rest else classes
        self.genes, self.has_rest = genes, has_rest
        width = hidden or latent
        self.body = nn.Sequential(nn.Linear(latent, hidden), nn.GELU()) if hidden else nn.Identity()
        self.logits = nn.Linear(width, classes)
        self.log_dispersion = nn.Parameter(torch.zeros(genes))
        self.zero = nn.Linear(width, genes) if distribution == "zinb" else None
        with torch.no_grad():
            self.logits.weight.mul_(0.1)
            self.logits.bias.copy_(torch.log(base_rate.clamp_min(1e-7)))
            if self.zero is not None:
                self.zero.weight.mul_(0.1)
                self.zero.bias.fill_(-3.0)

    def log_shares(
        self, latent: Float[Tensor, "B D"], offset: Float[Tensor, " C"] | None = None
    ) -> Float[Tensor, "B C"]:
        """Return the log share of the library that each class takes; `offset` adds to logits."""
        logits = self.logits(self.body(latent)).float()
        return torch.log_softmax(logits if offset is None else logits + offset, dim=1)

    def forward(
        self,
        latent: Float[Tensor, "B D"],
        library: Float[Tensor, " B"],
        offset: Float[Tensor, " C"] | None = None,
    ) -> CountDistribution:
        """Return the distribution of the counts of the modelled genes."""
        mean = self._scaled_shares(latent, library.float(), offset)
        dispersion = torch.exp(self.log_dispersion.float()).contiguous()
        zero = None if self.zero is None else self.zero(self.body(latent)).float()
        return _distribution(mean, dispersion, zero)

    def read_once(
        self,
        latent: Float[Tensor, "B D"],
        library: Float[Tensor, " B"],
        offset: Float[Tensor, " C"] | None = None,
    ) -> CountDistribution:
        """Return what a call does, of rates that are made where they are read, if compiled."""
        body, library = self.body(latent), library.float()
        served = not torch.is_grad_enabled() and available(body, library)
        if self.zero is not None or not served:
            return self(latent, library, offset)
        bias = self._bias(offset)
        dispersion = torch.exp(self.log_dispersion.float()).contiguous()
        weight = self.logits.weight.detach()
        return DecodedCounts(body.contiguous(), weight, bias.detach(), library, dispersion)

    def _bias(self, offset: Float[Tensor, " C"] | None) -> Float[Tensor, " C"]:
        return self.logits.bias if offset is None else self.logits.bias + offset

    def _scaled_shares(
        self,
        latent: Float[Tensor, "B D"],
        library: Float[Tensor, " B"],
        offset: Float[Tensor, " C"] | None,
    ) -> Float[Tensor, "B G"]:
        """Return the shares of the modelled genes times the library."""
        body = self.body(latent)
        if not torch.is_grad_enabled() and available(body, library):
            bias = self._bias(offset)
            return scaled_shares(body, self.logits.weight, bias, library, self.genes)
        shares = self.log_shares(latent, offset)[:, : self.genes]
        return torch.exp(shares + torch.log(library).unsqueeze(1))

    def terms(
        self, latent: Float[Tensor, "N D"], asked: Asked
    ) -> tuple[Float[Tensor, " K"], Float[Tensor, "P G"]]:
        """Return mean log-likelihoods, nats per cell, and mean shares of groups; see `Asked`."""
        body = self.body(latent)
        if self.zero is None and available(body, self.log_dispersion):
            logits = self.logits
            return count_terms(body, logits.weight, logits.bias, self.log_dispersion, asked)
        shares = torch.softmax(_single(self.logits(body)), dim=1)[:, : self.genes]
        zero = None if self.zero is None else _single(self.zero(body))
        dispersion = torch.exp(_single(self.log_dispersion))
        cells, likelihood = asked.counts.shape[0], []
        for start in range(0, asked.parts * cells, cells):
            mean = shares[start : start + cells] * _single(asked.library).unsqueeze(1)
            logit = None if zero is None else zero[start : start + cells]
            made = _distribution(mean, dispersion, logit)
            likelihood.append(made.log_likelihood(asked.counts).mean())
        start = len(body) - len(asked.group)
        kept = shares[start:] if zero is None else shares[start:] * torch.sigmoid(-zero[start:])
        pooled = shares.new_zeros((asked.groups, self.genes))
        pooled = pooled.index_add(0, asked.group, kept * asked.weight.unsqueeze(1))
        return torch.stack(likelihood), pooled

    def mean_shares(
        self, latent: Float[Tensor, "B D"], offset: Float[Tensor, " C"] | None = None
    ) -> Float[Tensor, "B G"]:
        """Return the expected counts of each modelled gene per unit of library."""
        return self(latent, torch.ones(latent.shape[0], device=latent.device), offset).mean

    def pooled_shares(
        self,
        latent: Float[Tensor, "B D"],
        weight: Float[Tensor, " B"],
        offset: Float[Tensor, " C"] | None = None,
    ) -> Float[Tensor, " G"]:
        """Return `weight` times the `mean_shares` of cells, added up."""
        if self.zero is None:
            return self.pooled_classes(latent, weight, offset)[: self.genes]
        return weight @ self.mean_shares(latent, offset)

    def pooled_classes(
        self,
        latent: Float[Tensor, "B D"],
        weight: Float[Tensor, " B"],
        offset: Float[Tensor, " C"] | None = None,
    ) -> Float[Tensor, " C"]:
        """Return `weight` times the shares that classes take of cells' libraries, added up."""
        counts = self.read_once(latent, weight, offset)
        if isinstance(counts, DecodedCounts):
            return counts.total()
        return weight @ self.log_shares(latent, offset).exp()


def _distribution(mean: Tensor, dispersion: Tensor, zero_logit: Tensor | None) -> CountDistribution:
    if zero_logit is None:
        return NegativeBinomial(mean, dispersion)
    return ZeroInflatedNegativeBinomial(mean, dispersion, zero_logit)


def _single(x: Tensor) -> Tensor:
    """Return numbers of at least single precision."""
    return x if x.dtype == torch.float64 else x.float()
