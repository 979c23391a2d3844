"""Fitting a diffusion or flow to recognised latents, with the rest of the model frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_matrix
from torch import Generator, Tensor, nn

from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError
from gpjepa.core.random import torch_stream
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.cells import CellTable, tables_joined
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.predictor import Prediction, Predictor
from gpjepa.model.variational import RecognitionHead
from gpjepa.objectives.weights import Term, Terms
from gpjepa.training.pair_batch import PairBatch, pairing_of
from gpjepa.training.pairs import make_pairs
from gpjepa.training.prepare import Annotated, Prepared
from gpjepa.training.stage import WholeBatches
from gpjepa.training.trainer import SCORE

Source = Callable[[int, torch.device], PairBatch]
Pair = Callable[[PairBatch, Tensor, Tensor], Tensor]
MEASURED_BATCHES = 16  # on which the residuals are measured before the first step
JUDGED_BATCHES = 8  # of validation cells that choose the step
FEWEST = 3  # validation perturbations below which none is chosen


@dataclass(frozen=True, eq=False)
class Recogniser:
    """Draws latents from recognition beside what a fitted model predicts.

    Recognition was trained on the transformer's own means, those of the predictor `alone`; what it
    finds beside those is put beside the means that the composition has moved since. Batches hold
    latents in place of counts, see `encoded`.
    """

    model: WorldModel
    base: RecognitionHead
    pair: Pair
    alone: Predictor

    @classmethod
    def of(cls, model: WorldModel, base: RecognitionHead, pair: Pair) -> Recogniser:
        """Bind the recognition `base` to a fitted model, whose composition it never saw."""
        alone = deepcopy(model.predictor)
        alone.composition = None
        return cls(model, base, pair, alone)

    @torch.no_grad()
    def __call__(
        self, batch: PairBatch, generator: Generator
    ) -> tuple[Prediction, Float[Tensor, "B D"]]:
        """Pair the latents of a batch, predict, and draw from recognition around the prediction."""
        state, seen, model = batch.control.dense(), batch.counts.dense(), self.model
        state = state[self.pair(batch, state, seen)]
        prediction = model.predict(state, batch.condition)
        if model.start is not None:
            state = model.start(state)
        own = self.alone(state, batch.condition, model.condition)
        found = self.base.recognise(own, seen).sample(generator)
        return prediction, prediction.mean + found - own.mean

    def perturbed(
        self, source: Source, batches: int, generator: Generator
    ) -> tuple[Prediction, Float[Tensor, "B D"]]:
        """Return predictions and recognised latents of perturbed cells, the first of a source."""
        predictions, latents = [], []
        for step in range(batches):
            batch = source(step, self.model.device())
            prediction, latent = self(batch, generator)
            rows = torch.nonzero(batch.perturbation[batch.group] >= 0).squeeze(1)
            predictions.append(prediction.rows(rows))
            latents.append(latent[rows])
        return joined(predictions), torch.cat(latents)


class StageHead(WholeBatches, nn.Module):
    """The denoising (or velocity) loss of latents that recognition draws.

    Batches hold the cells' latents in place of their counts, see `encoded`. Only the head is part
    of the stage: the model that predicts and recognises, in `recogniser`, stays as it is.
    """

    name = "head"

    def __init__(
        self,
        model: WorldModel,
        head: ResidualHead,
        source: Source,
        pair: Pair,
        judged: Source | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.head = head.to(model.device())
        head.base.requires_grad_(False)
        self.source, self.seed = source, seed
        self.recogniser = Recogniser.of(model, head.base, pair)
        head.prepare(*self._drawn(source, MEASURED_BATCHES))
        self.judged = None if judged is None else self._drawn(judged, JUDGED_BATCHES)

    def batch(self, step: int, device: torch.device) -> PairBatch:
        """Return the latents of a step."""
        return self.source(step, device)

    def forward(self, batch: PairBatch, step: int, steps: int, generator: Generator) -> Terms:
        """Return the loss of the head."""
        prediction, latent = self.recogniser(batch, generator)
        return Terms((Term("head", self.head.loss(prediction, latent, generator)),))

    def _drawn(self, source: Source, batches: int) -> tuple[Prediction, Float[Tensor, "B D"]]:
        """Return predictions and recognised latents of perturbed cells, always the same."""
        device = self.recogniser.model.device()
        generator = torch_stream(self.seed, "head", "drawn", device=device)
        return self.recogniser.perturbed(source, batches, generator)

    def after_step(self, step: int, steps: int) -> None:
        """Leave everything as it is."""

    def parameter_groups(self, rate: float) -> list[dict[str, object]]:
        """Return the parameters of the head's network."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "lr": rate}]

    @torch.no_grad()
    def validate(self, device: torch.device) -> dict[str, float]:
        """Return the loss on validation perturbations, always of the same latents and noise."""
        if self.judged is None:
            return {}
        generator = torch_stream(self.seed, "head", "judge", device=device)
        return {SCORE: float(self.head.loss(*self.judged, generator))}


def joined(predictions: Sequence[Prediction]) -> Prediction:
    """Stack predictions of several batches."""
    return Prediction(
        torch.cat([each.mean for each in predictions]),
        torch.cat([each.log_variance for each in predictions]),
        torch.cat([each.first_order for each in predictions]),
        torch.cat([each.second_order for each in predictions]),
    )


@torch.no_grad()
def encoded(cells: Annotated, model: WorldModel) -> Annotated:
    """Return the cells with their latents in place of their counts: a frozen encoder runs once."""
    device = model.device()
    latents = torch.cat([model.encoder(*batch) for batch in cells.table.batches(device)])
    return replace(cells, table=CellTable(csr_matrix(latents.cpu().numpy()), cells.table.library))


def make_stage_head(
    model: WorldModel,
    head: ResidualHead,
    prepared: Prepared,
    vocabulary: Vocabulary,
    config: Config,
    seed: int,
) -> StageHead:
    """Bind a head to the training cells, and to validation cells where they are enough."""
    cells = encoded(prepared.training, model)
    source = make_pairs(cells, prepared.observed.labels, vocabulary, config, seed)
    labels, judged = judged_labels(prepared.checked, vocabulary), None
    if labels:
        seen = stacked(encoded(prepared.controls, model), encoded(prepared.checked, model))
        judged = make_pairs(seen, labels, vocabulary, config, seed)
    return StageHead(model, head, source, pairing_of(config.predictor.pairing), judged, seed)


def variational_head(model: WorldModel) -> RecognitionHead:
    """Return the variational head of a model, which recognises latents; else `ConfigError`."""
    head = model.head
    base = head.base if isinstance(head, ResidualHead) else head
    if not isinstance(base, RecognitionHead):
        raise ConfigError(
            f"the model's head is a {type(base).__name__}; expected one that recognises latents "
            "of target cells; fit with head.kind=variational and head.recognition=target"
        )
    return base


def judged_labels(cells: Annotated, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the validation perturbations of measured members; none where they are too few."""
    labels = sorted(set(cells.labels.astype(str)))
    known = tuple(x for x in labels if vocabulary.all_measured(x))
    return known if len(known) >= FEWEST else ()


def stacked(first: Annotated, second: Annotated) -> Annotated:
    """Return the cells of both, which are of one panel."""
    doses = [cells.dose for cells in (first, second) if cells.dose is not None]
    return Annotated(
        tables_joined([first.table, second.table]),
        np.concatenate([first.names, second.names]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.covariates, second.covariates]),
        np.concatenate([first.strata, second.strata]),
        np.concatenate(doses) if doses else None,
    )
