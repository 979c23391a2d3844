"""Sampled populations of raw counts under perturbations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix, vstack
from torch import Tensor

from gpjepa.core.errors import NumericError
from gpjepa.core.random import numpy_stream, torch_stream
from gpjepa.inference.cells import CellTable
from gpjepa.model.abduction import counterfactual_counts
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition
from gpjepa.model.sparse_counts import SparseCounts, csr_of

ROWS = 4096  # cells decoded at once


@dataclass(frozen=True, eq=False)
class Population:
    """Sampled counts [cells, G] int32 with the control cell each one started from."""

    counts: csr_matrix
    library: np.ndarray
    source: np.ndarray


def draw_sources(available: int, wanted: int, seed: int) -> np.ndarray:
    """Choose control cells to start from: each once before any is used again."""
    rng = numpy_stream(seed, "sources")
    rounds = -(-wanted // available)
    drawn = np.concatenate([rng.permutation(available) for _ in range(rounds)])
    return np.sort(drawn[:wanted])


@torch.no_grad()
def respond(
    model: WorldModel,
    controls: CellTable,
    condition: Condition,
    source: np.ndarray,
    offset: Float[Tensor, " C"] | None,
    seed: int,
    steering: Float[Tensor, " C"] | None = None,
) -> Population:
    """Sample one cell for each row of `condition`: what the control cells `source` become.

    A sampled cell keeps what is its control cell's own, see `counterfactual`; its latent is drawn
    from the head. Library sizes are those of the control cells; without a rest of the
    transcriptome, where a library is the sum over the genes, they are the sums that result.
    `steering` adds to the logits of what cells become, see `steer`. Raises `NumericError` for
    non-finite rates.
    """
    device = model.device()
    generator = torch_stream(seed, "respond", device=device)
    parts: list[csr_matrix] = []
    totals: list[np.ndarray] = []
    for start in range(0, len(source), ROWS):
        rows = np.arange(start, min(start + ROWS, len(source)))
        counts, library = controls.sparse(source[rows], device)
        state = model.encoder(counts, library)
        prediction = model.predict(state, condition.rows(torch.from_numpy(rows).to(device)))
        latent = model.head.sample(prediction, generator)
        states = (prediction.start, latent)
        members = condition.members[torch.from_numpy(rows)].to(device)
        changed = become(
            model, counts, library, states, offset, generator, steering, members=members
        )
        drawn = csr_of(changed)
        parts.append(drawn)
        totals.append(library_of(model, drawn, controls.library[source[rows]]))
    return Population(vstack(parts, format="csr"), np.concatenate(totals), source)


def become(
    model: WorldModel,
    counts: SparseCounts,
    library: Float[Tensor, " B"],
    states: tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]],
    offset: Float[Tensor, " C"] | None,
    generator: torch.Generator,
    steering: Float[Tensor, " C"] | None = None,
    members: Int[Tensor, "B K"] | None = None,
) -> SparseCounts:
    """Return the counts of control cells whose state goes from the first to the second.

    `steering` adds to the logits of the second. With the `members` of each cell's perturbation,
    those that the model takes for escapers stay as they are. Raises `NumericError` for rates
    that are not finite.
    """
    led = steering if offset is None or steering is None else offset + steering
    before = model.decoder(states[0], library, offset)
    after = model.decoder(states[1], library, offset if led is None else led)
    if not bool(torch.isfinite(after.mean.sum(dim=1)).all()):
        raise NumericError(
            "the decoder returned rates that are not finite; expected finite ones; the model "
            "did not train: look at its history"
        )
    if members is not None:
        after = model.outcome(members, before, after, generator, led=steering is not None)
    return settle(
        model, counterfactual_counts(counts, before, after, generator), library, generator
    )


def settle(
    model: WorldModel,
    counts: SparseCounts,
    library: Float[Tensor, " B"],
    generator: torch.Generator,
) -> SparseCounts:
    """Bring sampled counts within the library where it counts the rest of the transcriptome too.

    Without a rest the library is the sum of the counts themselves, and thinning would bias it.
    """
    return fit_library(counts, library, generator) if model.decoder.has_rest else counts


def library_of(model: WorldModel, counts: csr_matrix, library: np.ndarray) -> np.ndarray:
    """Return the libraries [cells] of sampled cells: their control's, or their own sum."""
    if model.decoder.has_rest:
        return library
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def fit_library(
    counts: SparseCounts, library: Float[Tensor, " B"], generator: torch.Generator
) -> SparseCounts:
    """Thin the cells whose counts exceed their library until the total holds them.

    A measured cell's total is never below the sum of its genes; a cell that drew more keeps each
    count with probability library / sum, again where that leaves too many.
    """
    cell, value = counts.cell(), counts.value.clone()
    while True:
        total = torch.zeros_like(library).index_add(0, cell, value)
        some = torch.nonzero((total > library)[cell]).squeeze(1)
        if not len(some):
            return SparseCounts(counts.starts, counts.gene, value, counts.genes)
        keep = (library / total)[cell[some]]
        value[some] = torch.binomial(value[some], keep, generator)
