"""Stage A as a masked autoencoder: held-out genes are predicted as counts, not as embeddings."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn

from gpjepa.core.config import Config
from gpjepa.inference.cells import CellTable
from gpjepa.model.decoders import CountDecoder
from gpjepa.model.distributions import NegativeBinomial
from gpjepa.model.encoder import CellEncoder
from gpjepa.objectives.weights import Term, Terms
from gpjepa.training.cells import gene_moments
from gpjepa.training.ema import make_teacher
from gpjepa.training.monitors import spread_monitors
from gpjepa.training.stage_a import CellBatch, MaskedCells


class StageReconstruction(MaskedCells):
    """The encoder of Stage A under the same masks, with a count decoder in place of a teacher.

    Source: He et al. 2022 (masked autoencoders), with an NB likelihood of the held-out counts.
    """

    def __init__(
        self, encoder: CellEncoder, cells: CellTable, blocks: np.ndarray, config: Config, seed: int
    ) -> None:
        super().__init__(encoder, cells, blocks, config, seed)
        has_rest = bool((cells.library > np.asarray(cells.counts.sum(axis=1)).ravel() + 0.5).any())
        rate = gene_moments(cells, has_rest).base_rate
        self.decoder = CountDecoder(encoder.latent, rate, has_rest, config.encoder.hidden)

    def trained(self) -> tuple[nn.Module, ...]:
        """Return the encoder and the decoder."""
        return (self.encoder, self.decoder)

    def forward(self, batch: CellBatch, step: int, steps: int, generator: Generator) -> Terms:
        """Return the misfit of the held-out counts, nats per cell."""
        held_out = self.held_out(batch, generator)
        latent = self.encoder(batch.counts, batch.library, ~held_out)
        mean = self.decoder(latent, batch.library).mean
        dispersion = torch.exp(self.decoder.log_dispersion)
        value = held_out_misfit(batch.counts, mean, dispersion, held_out)
        return Terms((Term("reconstruction", value), *spread_monitors("context", latent)))

    def after_step(self, step: int, steps: int) -> None:
        """Do nothing: there is no teacher."""

    def embedder(self) -> CellEncoder:
        """Return the encoder that embeds from now on: a copy of the trained one."""
        return make_teacher(self.encoder)


def held_out_misfit(
    counts: Float[Tensor, "B G"],
    mean: Float[Tensor, "B G"],
    dispersion: Float[Tensor, " G"],
    held_out: Bool[Tensor, "B G"],
) -> Float[Tensor, ""]:
    """Return −log p of the held-out counts under NB, nats per cell.

    A gene of mean 0 and count 0 has likelihood 1, so setting both to 0 leaves a gene out.
    """
    share = held_out.float()
    masked = NegativeBinomial(mean * share, dispersion)
    return -masked.log_likelihood(counts * share).mean()
