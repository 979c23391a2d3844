"""Stage A: the encoder learns to predict the embedding of a cell's held-out genes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn

from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError
from gpjepa.core.ranks import ALONE, Ranks, Rows
from gpjepa.inference.ahead import ahead_of, shuffled_batches
from gpjepa.inference.cells import CellTable
from gpjepa.model.encoder import CellEncoder, HeldOutPredictor, Views
from gpjepa.model.masking import MaskPlan, draw_held_out, hold_out
from gpjepa.model.sparse_counts import SparseCounts
from gpjepa.objectives.across import Across
from gpjepa.objectives.jepa import latent_prediction
from gpjepa.objectives.vicreg import vicreg
from gpjepa.objectives.weights import Term, Terms
from gpjepa.training.ema import Following, make_teacher, momentum
from gpjepa.training.monitors import spread_monitors
from gpjepa.training.stage import WholeBatches


@dataclass(frozen=True)
class CellBatch:
    """Cells of a step."""

    counts: Float[Tensor, "B G"]
    library: Float[Tensor, " B"]


@dataclass(frozen=True)
class SparseBatch:
    """Cells of a step without their zeros: the `rows` of it that this process has."""

    counts: SparseCounts
    library: Float[Tensor, " B"]
    rows: Rows

    @property
    def total(self) -> int:
        """Return how many cells the step has on all processes."""
        return self.rows.total


class MaskedCells(WholeBatches, nn.Module):
    """What every way of pretraining shares: an encoder, cells in shuffled batches, masks.

    Subclasses add the objective and name the modules that are trained in `trained`.
    """

    name = "pretrain"
    ranks = ALONE
    blocks: Tensor

    def __init__(
        self, encoder: CellEncoder, cells: CellTable, blocks: np.ndarray, config: Config, seed: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("blocks", torch.from_numpy(blocks))
        part = config.pretrain
        self.plan = MaskPlan(
            low=part.mask_low,
            high=part.mask_high,
            expressed_share=part.expressed_share,
            block_share=part.block_share,
        )
        self.batches = shuffled_batches(cells, part.batch_size, seed, self.name)
        self.ahead = ahead_of(cells, self.batches)

    def trained(self) -> tuple[nn.Module, ...]:
        """Return the modules that are trained."""
        return (self.encoder,)

    def batch(self, step: int, device: torch.device) -> CellBatch | SparseBatch:
        """Return the cells of a step."""
        return CellBatch(*self.ahead.at(step).dense(self.batches.indices(step), device))

    def held_out(self, batch: CellBatch, generator: Generator) -> Bool[Tensor, "B G"]:
        """Draw the genes of each cell that the encoder does not see."""
        return draw_held_out(batch.counts, self.blocks, self.plan, generator)

    def parameter_groups(self, rate: float) -> list[dict[str, object]]:
        """Return the parameters to train with their learning rate."""
        return [{"params": [p for part in self.trained() for p in part.parameters()], "lr": rate}]

    def validate(self, device: torch.device) -> dict[str, float]:
        """Return no score: pretraining runs its schedule to the end."""
        return {}


class StageA(MaskedCells):
    """Student, teacher and predictor of held-out genes over a table of cells."""

    following: Following | None = None

    def __init__(
        self, encoder: CellEncoder, cells: CellTable, blocks: np.ndarray, config: Config, seed: int
    ) -> None:
        super().__init__(encoder, cells, blocks, config, seed)
        self.teacher = make_teacher(encoder)
        genes = cells.counts.shape[1]
        self.predictor = HeldOutPredictor(genes, encoder.latent, config.encoder.hidden)
        self.loss, self.ema_start = config.loss, config.pretrain.ema_start

    def trained(self) -> tuple[nn.Module, ...]:
        """Return the student and the predictor; the teacher only follows."""
        return (self.encoder, self.predictor)

    def share(self, ranks: Ranks) -> None:
        """Take this process's rows of each batch from now on; raise `ConfigError` for too few."""
        size = min(self.batches.batch_size, self.batches.cells)
        if ranks.size > size:
            raise ConfigError(
                f"{ranks.size} processes share a batch of {size} cells; expected no more than "
                "cells; start fewer processes or raise pretrain.batch_size"
            )
        self.ranks = ranks

    def batch(self, step: int, device: torch.device) -> SparseBatch:
        """Return the cells of a step that this process has."""
        indices = self.batches.indices(step)
        rows = self.ranks.rows(len(indices))
        return SparseBatch(*self.ahead.at(step).sparse(indices[rows.here], device), rows)

    def forward(self, batch: SparseBatch, step: int, steps: int, generator: Generator) -> Terms:
        """Return the objective: prediction of held-out embeddings and VICReg against collapse."""
        across = Across(batch.rows)
        held = hold_out(batch.counts, self.blocks, self.plan, across.draws(generator))
        views = Views.of(self.encoder.scaling, batch.counts, batch.library, held)
        context = self.encoder.of_views(views, "context")
        predicted = self.predictor.of_asked(context, views.asked)
        with torch.no_grad():
            target = self.teacher.of_views(views, "target")
        spread = vicreg(context, predicted, across)
        near = across.part(latent_prediction(predicted, target))
        return Terms(
            (
                Term("predict", near, self.loss.predict),
                Term("vicreg", spread.anti_collapse() * context.shape[1], self.loss.vicreg),
                *spread_monitors("context", context, across),
            )
        )

    def after_step(self, step: int, steps: int) -> None:
        """Move the teacher."""
        if self.following is None:  # as late as the copy that FSDP trains is there
            self.following = Following(self.teacher, self.encoder)
        self.following.move(momentum(step, steps, self.ema_start))

    def embedder(self) -> CellEncoder:
        """Return the encoder that embeds from now on: the teacher."""
        return self.teacher
