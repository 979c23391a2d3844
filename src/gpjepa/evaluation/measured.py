"""Everything that is taken from the observed cells, once, before any prediction is scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.bounds import SPLITS, Replicate, replicates
from gpjepa.evaluation.cell_scores import (
    CellHalves,
    cell_halves,
    score_populations,
    significant_genes,
)
from gpjepa.evaluation.contenders import subsample
from gpjepa.evaluation.effect_scores import EFFECT_METRICS, EffectTruth, highest, score_effects
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.pseudobulk import (
    group_pseudobulk,
    group_standard_error,
    pseudobulk,
    standard_error,
)

CELL_SPLITS = 2  # of the `SPLITS` half-samples, those on which cells are scored too


@dataclass(frozen=True, eq=False)
class Measured:
    """The truth, its halves, and what a second measurement scores against it.

    `effect_se` [P, G] is the standard error of the observed effects, log1p units.
    `replicate_effects` [R, M, P] and `replicate_cells` [S, M, P] are scores of one half against
    the other.
    """

    truth: EffectTruth
    effect_se: np.ndarray
    halves: tuple[CellHalves, ...]
    replicate_effects: np.ndarray
    replicate_cells: np.ndarray


def measure(pair: EvaluationPair, numbers: np.ndarray, seed: int) -> Measured:
    """Measure the observed side of a pair on its scored genes."""
    truth = _truth(pair, numbers, seed)
    observed, controls = pair.observed.genes(pair.gated), pair.controls.genes(pair.gated)
    rng = numpy_stream(seed, "halves of cells")
    halves: list[CellHalves] = []
    effects, cells = [], []
    split = replicates(observed, controls, pair.perturbations, pair.target, SPLITS, seed)
    for index, half in enumerate(split):
        of_cells = None
        if index < CELL_SPLITS:
            of_cells = cell_halves(half, observed, controls, pair.perturbations, numbers, rng)
            halves.append(of_cells)
            standard = of_cells.second_control
            cells.append(
                score_populations(of_cells.first, [of_cells], standard, pair.target, seed + index)
            )
        effects.append(_score_replicate(half, of_cells, truth))
    return Measured(truth, _effect_se(pair), tuple(halves), np.stack(effects), np.stack(cells))


def _truth(pair: EvaluationPair, numbers: np.ndarray, seed: int) -> EffectTruth:
    observed = pair.observed.genes(pair.gated)
    control = pair.truth_control.genes(pair.gated)
    train, kept = pair.train, pair.train.is_control
    genes = np.flatnonzero(pair.gated)
    start, library = train.counts[kept][:, genes], train.library[kept]
    state = group_pseudobulk(
        observed.counts,
        observed.library,
        observed.codes(pair.perturbations),
        len(pair.perturbations),
        pair.target,
    )
    rng = numpy_stream(seed, "observed cells")
    drawn = [
        subsample(observed.of(label), int(number), rng)
        for label, number in zip(pair.perturbations, numbers, strict=True)
    ]
    return EffectTruth(
        state=state,
        control=pseudobulk(control.counts, control.library, pair.target),
        reference=_training_state(pair, genes) if pair.has_training else state.mean(axis=0),
        noise=_positive(standard_error(start, library, pair.target)),
        expressed=highest(pseudobulk(start, library, pair.target)),
        significant=significant_genes(drawn, control),
    )


def _training_state(pair: EvaluationPair, genes: np.ndarray) -> np.ndarray:
    """Return the mean over training perturbations of their pseudobulks."""
    train = pair.train
    position = {label: index for index, label in enumerate(train.perturbations)}
    codes = np.array([position.get(label, -1) for label in train.labels], dtype=np.int64)
    counts = train.counts[:, genes]
    states = group_pseudobulk(counts, train.library, codes, len(position), pair.target)
    return states.mean(axis=0)


def _positive(noise: np.ndarray) -> np.ndarray:
    """Return standard errors without zeros; ones where a single control cell gives none."""
    known = noise > 0
    return np.where(known, noise, noise[known].min()) if known.any() else np.ones_like(noise)


def _effect_se(pair: EvaluationPair) -> np.ndarray:
    observed = pair.observed.genes(pair.gated)
    control = pair.truth_control.genes(pair.gated)
    own = group_standard_error(
        observed.counts,
        observed.library,
        observed.codes(pair.perturbations),
        len(pair.perturbations),
        pair.target,
    )
    return np.hypot(own, standard_error(control.counts, control.library, pair.target))


def _score_replicate(half: Replicate, cells: CellHalves | None, truth: EffectTruth) -> np.ndarray:
    """Score the first half as a prediction of the second, [M, P]; NaN for single cells."""
    scores = np.full((len(EFFECT_METRICS), len(half.first)), np.nan)
    use = np.isfinite(half.first).all(1) & np.isfinite(half.second).all(1)
    use &= bool(np.isfinite(half.first_control).all() and np.isfinite(half.second_control).all())
    if not use.any():
        return scores
    calls, significant = None, None
    if cells is not None:
        calls = significant_genes(cells.first, cells.first_control)[use]
        significant = significant_genes(cells.second, cells.second_control)[use]
    other = replace(
        truth, state=half.second[use], control=half.second_control, significant=significant
    )
    scores[:, use] = score_effects(half.first[use], half.first_control, calls, other)
    return scores
