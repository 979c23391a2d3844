"""What is scored side by side: the model and every baseline, as states and as cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.baselines import Baseline
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.population import Population
from gpjepa.evaluation.pseudobulk import group_pseudobulk, pseudobulk

MOST_CELLS = 400  # a perturbation, in scores that look at cells
FEWEST_CELLS = 10


@dataclass(frozen=True, eq=False)
class Contender:
    """Predicted states [P, G] and cells of each perturbation, on the scored genes.

    A NaN state with `applies` [P] False means that nothing is predicted for that perturbation;
    its population is None. `control` [G] and `control_cells` are what it is referred to.
    `counted` is False for predicted means, whose populations are no cells.
    """

    name: str
    state: np.ndarray
    applies: np.ndarray
    control: np.ndarray
    control_cells: Population
    populations: tuple[Population | None, ...]
    counted: bool = True


def cell_numbers(pair: EvaluationPair) -> np.ndarray:
    """Return how many cells of each perturbation are looked at, [P].

    At most the median over perturbations, so that a large perturbation does not gain power by
    its number of cells.
    """
    observed = np.bincount(pair.observed.codes(pair.perturbations))
    return np.minimum(observed, min(max(int(np.median(observed)), FEWEST_CELLS), MOST_CELLS))


def model_contender(pair: EvaluationPair, name: str, numbers: np.ndarray, seed: int) -> Contender:
    """Return the prediction under evaluation."""
    cells = pair.predicted.genes(pair.gated)
    codes = cells.codes(pair.perturbations)
    control = pair.prediction_control.genes(pair.gated)
    rng = numpy_stream(seed, "predicted cells")
    drawn = [
        subsample(cells.of(label), number, rng)
        for label, number in zip(pair.perturbations, numbers, strict=True)
    ]
    return Contender(
        name=name,
        state=group_pseudobulk(
            cells.counts, cells.library, codes, len(pair.perturbations), pair.target
        ),
        applies=np.ones(len(pair.perturbations), dtype=bool),
        control=pseudobulk(control.counts, control.library, pair.target),
        control_cells=control,
        populations=tuple(drawn),
        counted=pair.counted,
    )


def baseline_contenders(
    pair: EvaluationPair, baselines: tuple[Baseline, ...], numbers: np.ndarray, seed: int
) -> Iterator[Contender]:
    """Yield every baseline with its effects, and with cells sampled to show them."""
    train = pair.train
    kept = train.is_control
    control = Population(train.counts[kept], train.library[kept], train.labels[kept])
    control = control.genes(pair.gated)
    base = pseudobulk(control.counts, control.library, pair.target)
    for baseline in baselines:
        effects = baseline.effects(pair.perturbations)[:, pair.gated]
        applies = np.isfinite(effects).all(axis=1)
        rng = numpy_stream(seed, "sampled cells", baseline.name)
        yield Contender(
            name=baseline.name,
            state=np.where(applies[:, None], base + effects, np.nan),
            applies=applies,
            control=base,
            control_cells=control,
            populations=tuple(
                _sampled(baseline, label, int(number), pair.gated, rng) if applied else None
                for label, number, applied in zip(pair.perturbations, numbers, applies, strict=True)
            ),
        )


def subsample(cells: Population, most: int, rng: np.random.Generator) -> Population:
    """Return at most `most` of the cells, drawn without replacement."""
    if cells.n_cells <= most:
        return cells
    return cells.take(np.sort(rng.choice(cells.n_cells, most, replace=False)))


def _sampled(
    baseline: Baseline, label: str, number: int, gated: np.ndarray, rng: np.random.Generator
) -> Population:
    counts, library = baseline.sample(label, number, rng)
    labels = np.full(number, label, dtype=object)
    return Population(counts[:, np.flatnonzero(gated)], library, labels)
