"""Sampled populations of raw counts under perturbations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix, vstack
from torch import Tensor

from gpjepa.core.errors import NumericError
from gpjepa.core.random import numpy_stream, torch_stream
from gpjepa.inference.cells import CellTable
from gpjepa.inference.naming import drawing
from gpjepa.model.abduction import counterfactual_counts
from gpjepa.model.decoded import finite
from gpjepa.model.distributions import CountDistribution
from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.perturbation import Condition
from gpjepa.model.sparse_counts import SparseCounts, csr_of

ROWS = 4096  # cells decoded at once, and cells that are sampled at once, of all populations


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


@dataclass(frozen=True, eq=False)
class Wanted:
    """A population that is asked for: a row of `condition` for each cell, and its seed.

    `steering` adds to the logits of what cells become, see `steer`; `standing` adds to those of all
    sampled cells, also of escapers, what their control cells are off by. A `label` names it in
    errors.
    """

    condition: Condition
    seed: int
    steering: Float[Tensor, " C"] | None = None
    label: str | None = None
    standing: Float[Tensor, " C"] | None = None


def respond(
    model: WorldModel,
    controls: CellTable,
    condition: Condition,
    source: np.ndarray,
    offset: Float[Tensor, " C"] | None,
    seed: int,
    steering: Float[Tensor, " C"] | None = None,
) -> Population:
    """Return the one population of `respond_each` under `condition`."""
    return respond_each(model, controls, [Wanted(condition, seed, steering)], source, offset)[0]


@torch.no_grad()
def respond_each(
    model: WorldModel,
    controls: CellTable,
    wanted: Sequence[Wanted],
    source: np.ndarray,
    offset: Float[Tensor, " C"] | None,
    states: Float[Tensor, "N D"] | None = None,
) -> list[Population]:
    """Sample populations that all start from the control cells `source`, a cell from each.

    A sampled cell keeps what is its control cell's own, see `counterfactual`; its latent is drawn
    from the head. Library sizes are those of the control cells; without a rest of the
    transcriptome, where a library is the sum over the genes, they are the sums that result.
    Controls are read and decoded once for all populations, and encoded if `states`, those of all
    `controls`, are not given. Raises `NumericError` for non-finite rates.
    """
    device = model.device()
    generators = [torch_stream(one.seed, "respond", device=device) for one in wanted]
    parts: list[list[csr_matrix]] = [[] for _ in wanted]
    for start in range(0, len(source), ROWS):
        rows = np.arange(start, min(start + ROWS, len(source)))
        index, own = source[rows], torch.from_numpy(rows).to(device)
        counts, library = controls.sparse(index, device)
        if states is None:
            state = model.encoder(counts, library)
        else:
            state = states[torch.from_numpy(index).to(device)]
        origin = _Origin.of(model, counts, library, state, offset)
        several = 1 if model.responders is not None else ROWS // len(rows)
        for first in range(0, len(wanted), several):
            some = slice(first, first + several)
            found = _under(model, origin, wanted[some], own, generators[some])
            for drawn, made in zip(parts[some], found, strict=True):
                drawn.append(csr_of(made))
    return [_population(model, drawn, controls, source) for drawn in parts]


@dataclass(frozen=True, eq=False)
class _Origin:
    """Control cells that populations start from: what is the same for all of these."""

    counts: SparseCounts
    library: Float[Tensor, " B"]
    state: Float[Tensor, "B D"]
    first: Float[Tensor, "B D"]
    decoded: CountDistribution
    offset: Float[Tensor, " C"] | None

    @staticmethod
    def of(
        model: WorldModel,
        counts: SparseCounts,
        library: Float[Tensor, " B"],
        state: Float[Tensor, "B D"],
        offset: Float[Tensor, " C"] | None,
    ) -> _Origin:
        """Decode where the cells depart from."""
        first = state if model.start is None else model.start(state)
        decoded = _decoded(model, first, library, offset)
        return _Origin(counts, library, state, first, decoded, offset)


def _under(
    model: WorldModel,
    origin: _Origin,
    wanted: Sequence[Wanted],
    rows: Int[Tensor, " B"],
    generators: Sequence[torch.Generator],
) -> list[SparseCounts]:
    """Return what control cells become under the `rows` of each condition."""
    after, counts, library = [], origin.counts, origin.library
    for one, generator in zip(wanted, generators, strict=True):
        with drawing(one.label):
            after.append(_outcome(model, origin, one, rows, generator))
    changed = counterfactual_counts(counts, origin.decoded, after, generators)
    pairs = zip(changed, generators, strict=True)
    return [settle(model, each, library, generator) for each, generator in pairs]


def _outcome(
    model: WorldModel,
    origin: _Origin,
    wanted: Wanted,
    rows: Int[Tensor, " B"],
    generator: torch.Generator,
) -> CountDistribution:
    """Return the counts that are expected under the `rows` of a condition."""
    condition, steering, standing = wanted.condition.rows(rows), wanted.steering, wanted.standing
    latent = model.head.sample(model.predict(origin.state, condition), generator)
    after = _led(model, latent, origin.library, origin.offset, steering, standing)
    stay = origin.decoded
    if model.responders is not None and standing is not None:  # escapers go without it too
        stay = _led(model, origin.first, origin.library, origin.offset, standing)
    members = condition.members.to(origin.library.device)
    return model.outcome(members, stay, after, generator, led=steering is not None)


def _population(
    model: WorldModel, drawn: Sequence[csr_matrix], controls: CellTable, source: np.ndarray
) -> Population:
    counts = vstack(drawn, format="csr") if len(drawn) > 1 else drawn[0]
    return Population(counts, library_of(model, counts, controls.library[source]), source)


def _decoded(
    model: WorldModel,
    latent: Float[Tensor, "B D"],
    library: Float[Tensor, " B"],
    offset: Float[Tensor, " C"] | None,
) -> CountDistribution:
    """Decode cells; all rates at once where those of escapers are to be told from others."""
    decode = model.decoder.read_once if model.responders is None else model.decoder
    found: CountDistribution = decode(latent, library, offset)
    return found


def _led(
    model: WorldModel,
    latent: Float[Tensor, "B D"],
    library: Float[Tensor, " B"],
    *added: Float[Tensor, " C"] | None,
) -> CountDistribution:
    """Decode what cells become, with all that is `added` to their logits.

    Raises `NumericError` for rates that are not finite.
    """
    given = [each for each in added if each is not None]
    after = _decoded(model, latent, library, sum(given[1:], given[0]) if given else None)
    if not finite(after):
        raise NumericError(
            "the decoder returned rates that are not finite; expected finite ones; the model "
            "did not train: look at its history"
        )
    return after


def become(
    model: WorldModel,
    counts: SparseCounts,
    library: Float[Tensor, " B"],
    states: tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]],
    offset: Float[Tensor, " C"] | None,
    generator: torch.Generator,
) -> SparseCounts:
    """Return the counts of control cells whose state goes from the first to the second.

    Raises `NumericError` for rates that are not finite.
    """
    before = _decoded(model, states[0], library, offset)
    after = _led(model, states[1], library, offset)
    changed = counterfactual_counts(counts, before, [after], [generator])[0]
    return settle(model, changed, library, generator)


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
