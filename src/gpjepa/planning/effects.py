"""Effects in expression of mean latent shifts, decoded for many sets at once."""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gpjepa.planning.origin import Origin

FEW = 16  # cells that a decoder that is not linear is run on
TINY = 1e-30
LEAST_VARIANCE = 0.1  # of a gene, relative to the mean over genes


class EffectMap:
    """Mean effects [S, G] (log1p units) of mean latents [S, D], differentiable.

    Every cell is taken to move by the same shift. With a linear decoder each gene's share of the
    library is then scaled alike in all cells, and the pseudobulk needs no cell by itself; another
    decoder is run on a few cells.
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.decoder = origin.model.decoder
        self.genes = self.decoder.genes
        self.mean = origin.start.mean(dim=0)
        self.linear = isinstance(self.decoder.body, nn.Identity) and self.decoder.zero is None

    def __call__(self, latent: Float[Tensor, "S D"]) -> Float[Tensor, "S G"]:
        """Return the effects of bringing the control cells to these mean latents."""
        shift = latent - self.mean
        shares = self._scaled(shift) if self.linear else self._decoded(shift)
        return torch.log1p(self.origin.target * shares) - self._baseline

    def _scaled(self, shift: Float[Tensor, "S D"]) -> Float[Tensor, "S G"]:
        logits = self._log_shares + shift @ self.decoder.logits.weight.T
        return torch.softmax(logits, dim=1)[:, : self.genes]

    def _decoded(self, shift: Float[Tensor, "S D"]) -> Float[Tensor, "S G"]:
        states, weight = self._few
        moved = (states[None] + shift[:, None]).flatten(0, 1)
        shares = self.decoder.mean_shares(moved, self.origin.offset)
        return torch.einsum("c,scg->sg", weight, shares.view(len(shift), len(states), -1))

    @cached_property
    @torch.no_grad()
    def _log_shares(self) -> Float[Tensor, " C"]:
        """Return the log share of each class in the decoded control cells."""
        shares = self.decoder.log_shares(self.origin.start, self.origin.offset).exp()
        return torch.log((self.origin.weight @ shares).clamp_min(TINY))

    @cached_property
    def _few(self) -> tuple[Float[Tensor, "F D"], Float[Tensor, " F"]]:
        """Return evenly spaced cells, and their shares of the library among them."""
        last = self.origin.cells - 1
        row = torch.linspace(0, last, min(FEW, last + 1)).round().long()
        weight = self.origin.weight[row]
        return self.origin.start[row], weight / weight.sum()

    @cached_property
    @torch.no_grad()
    def _baseline(self) -> Float[Tensor, " G"]:
        """Return log1p(target · share) without a shift."""
        none = torch.zeros_like(self.mean)[None]
        shares = self._scaled(none) if self.linear else self._decoded(none)
        return torch.log1p(self.origin.target * shares[0])


def responding(origin: Origin) -> Tensor:
    """Return the genes that effects are compared on: those that effects are composed on, or all."""
    composition = origin.model.predictor.composition
    if composition is None:
        return torch.arange(origin.model.decoder.genes, device=origin.start.device)
    return composition.genes


def gene_weights(origin: Origin, error: Float[Tensor, " G"] | None = None) -> Float[Tensor, " G"]:
    """Return how much each gene counts where effects are compared, of mean 1 over those that do.

    With the standard `error` of a measured effect it is 1 over the variance, to which a share of
    its mean over genes is added, so that genes without counts do not rule.
    """
    kept = responding(origin)
    weights = origin.baseline.new_zeros(origin.model.decoder.genes)
    if error is None:
        return weights.index_fill(0, kept, 1.0)
    variance = error.to(weights)[kept].square()
    each = 1.0 / (variance + LEAST_VARIANCE * variance.mean()).clamp_min(TINY)
    return weights.index_copy(0, kept, each / each.mean())
