"""A count regression on finished latents: the decoder of a model that no count has trained."""

from __future__ import annotations

import torch
from torch import Generator, nn

from gpjepa.data.sampling import ShuffledBatches
from gpjepa.inference.ahead import ahead_of
from gpjepa.inference.cells import CellTable
from gpjepa.model.gpjepa import WorldModel
from gpjepa.objectives.generative import negative_log_likelihood
from gpjepa.objectives.weights import Term, Terms
from gpjepa.training.stage import WholeBatches
from gpjepa.training.stage_a import CellBatch


class StageDecode(WholeBatches, nn.Module):
    """Regress the counts of cells on their own latents; encoder and predictor stay as they are.

    The decoder has seen latents of measured cells only, never a prediction, so the size of
    predicted effects is what the latent space says it is.
    """

    name = "decode"

    def __init__(self, model: WorldModel, cells: CellTable, batch_size: int, seed: int) -> None:
        super().__init__()
        self.encoder, self.decoder = model.encoder, model.decoder
        self.encoder.requires_grad_(False)
        self.decoder.requires_grad_(True)
        self.batches = ShuffledBatches(len(cells), batch_size, seed, self.name)
        self.ahead = ahead_of(cells, self.batches)

    def batch(self, step: int, device: torch.device) -> CellBatch:
        """Return the cells of a step."""
        return CellBatch(*self.ahead.at(step).dense(self.batches.indices(step), device))

    def forward(self, batch: CellBatch, step: int, steps: int, generator: Generator) -> Terms:
        """Return the negative log-likelihood of the cells, nats per cell."""
        with torch.no_grad():
            latent = self.encoder(batch.counts, batch.library)
        value = negative_log_likelihood(batch.counts, self.decoder(latent, batch.library))
        return Terms((Term("nb", value),))

    def after_step(self, step: int, steps: int) -> None:
        """Do nothing: there is no teacher."""

    def parameter_groups(self, rate: float) -> list[dict[str, object]]:
        """Return the decoder's parameters with their learning rate."""
        return [{"params": list(self.decoder.parameters()), "lr": rate}]

    def validate(self, device: torch.device) -> dict[str, float]:
        """Return no score: the regression runs its schedule to the end."""
        return {}
