"""Latents of a fitted model, recognised in measured cells, as heads are fitted to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpjepa.benchmark.head_targets import Latents, Problem
from gpjepa.benchmark.held_out import trained
from gpjepa.core.config import Config
from gpjepa.core.random import torch_stream
from gpjepa.data.labels import CONTROL
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.inference.bundle import Bundle
from gpjepa.training.head_fit import Recogniser, encoded, stacked, variational_head
from gpjepa.training.pair_batch import pairing_of
from gpjepa.training.pairs import make_pairs
from gpjepa.training.prepare import Annotated, annotate, prepare

TRAINING_BATCHES, HELD_BATCHES = 120, 4
FEWEST_CELLS = 50  # of a perturbation that is scored
HELD = 8  # perturbations that are scored, of those seen and of those never seen


def fitted_problem(
    data: PerturbSeq, split: Split, config: Config, seed: int, device: str
) -> tuple[Bundle, Problem]:
    """Fit a model with the variational head and recognise the latents of its cells.

    Seen are the training perturbations with most cells, never seen those of the test set.
    """
    bundle = trained(data, split, config, seed, device).bundle
    prepared = prepare(data, split, config)
    training = encoded(prepared.training, bundle.model)
    cells = annotate(data.select_genes(prepared.genes), bundle.vocabulary)
    test = encoded(cells.take(split.parts(data).test), bundle.model)
    held = stacked(training.take(np.flatnonzero(training.labels == CONTROL)), test)

    def recognise(source: Annotated, labels: Sequence[str], batches: int) -> Latents:
        return recognised(bundle, source, labels, batches, seed)

    problem = Problem(
        recognise(training, prepared.observed.labels, TRAINING_BATCHES),
        {label: recognise(training, (label,), HELD_BATCHES) for label in _largest(training)},
        {label: recognise(held, (label,), HELD_BATCHES) for label in _largest(test)},
    )
    return bundle, problem


def recognised(
    bundle: Bundle, cells: Annotated, labels: Sequence[str], batches: int, seed: int
) -> Latents:
    """Draw latents from recognition around the means that the model predicts.

    `cells` hold latents in place of counts, control cells among them; see `encoded`.
    """
    model, config = bundle.model, bundle.config
    source = make_pairs(cells, tuple(labels), bundle.vocabulary, config, seed)
    pair = pairing_of(config.predictor.pairing)
    draw = Recogniser(model, variational_head(model), pair, model.predictor)
    generator = torch_stream(seed, "benchmark", "heads", "recognised", device=model.device())
    return Latents(*draw.perturbed(source, batches, generator))


def _largest(cells: Annotated) -> list[str]:
    """Return the perturbations with most cells, of those with enough."""
    labels, counts = np.unique(cells.labels.astype(str), return_counts=True)
    found = [
        (-int(count), str(label))
        for label, count in zip(labels, counts, strict=True)
        if label != CONTROL and count >= FEWEST_CELLS
    ]
    return [label for _, label in sorted(found)[:HELD]]
