"""Stage A as a masked autoencoder: held-out genes are predicted as counts, not as embeddings."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn

from gpjepa.core.config import Config
from gpjepa.data.sampling import ShuffledBatches
from gpjepa.inference.cells import CellTable
from gpjepa.model.decoders import CountDecoder
from gpjepa.model.distributions import NegativeBinomial
from gpjepa.model.encoder import CellEncoder
from gpjepa.model.masking import MaskPlan, draw_held_out
from gpjepa.objectives.weights import Term, Terms
from gpjepa.training.cells import gene_moments
from gpjepa.training.ema import make_teacher
from gpjepa.training.monitors import spread_monitors
from gpjepa.training.stage_a import CellBatch


class StageReconstruction(nn.Module):
    """The encoder of Stage A under the same masks, with a count decoder in place of a teacher.

    Source: He et al. 2022 (masked autoencoders), with an NB likelihood of the held-out counts.
    """

    name = "pretrain"
    blocks: Tensor

    def __init__(
        self, encoder: CellEncoder, cells: CellTable, blocks: np.ndarray, config: Config, seed: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        has_rest = bool((cells.library > np.asarray(cells.counts.sum(axis=1)).ravel() + 0.5).any())
        rate = gene_moments(cells, has_rest).base_rate
        self.decoder = CountDecoder(encoder.latent, rate, has_rest, config.encoder.hidden)
        self.register_buffer("blocks", torch.from_numpy(blocks))
        part = config.pretrain
        self.plan = MaskPlan(
            low=part.mask_low,
            high=part.mask_high,
            expressed_share=part.expressed_share,
            block_share=part.block_share,
        )
        self.cells = cells
        self.batches = ShuffledBatches(len(cells), part.batch_size, seed, self.name)

    def batch(self, step: int, device: torch.device) -> CellBatch:
        """Return the cells of a step."""
        return CellBatch(*self.cells.dense(self.batches.indices(step), device))

    def forward(self, batch: CellBatch, step: int, steps: int, generator: Generator) -> Terms:
        """Return the misfit of the held-out counts, nats per cell."""
        held_out = draw_held_out(batch.counts, self.blocks, self.plan, generator)
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

    def parameter_groups(self, rate: float) -> list[dict[str, object]]:
        """Return the parameters to train with their learning rate."""
        parts = (self.encoder, self.decoder)
        return [{"params": [p for part in parts for p in part.parameters()], "lr": rate}]

    def validate(self, device: torch.device) -> dict[str, float]:
        """Return no score: pretraining runs its schedule to the end."""
        return {}


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
