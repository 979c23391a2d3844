"""Everything that is taken from the observed cells, once, before any prediction is scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.bounds import SPLITS, replicates
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

    `effect_se` [P, G] is the standard error of the observed effects, log1p units. `held_back` are
    the truths of half of the cells each, referred to the truth's own control, on which everybody
    is compared; NaN where a perturbation has one cell. `replicate_effects` [R, M, P] and
    `replicate_cells` [S, M, P] are scores of the other half, which plays a prediction: it is
    referred to the control of the predictions.
    """

    truth: EffectTruth
    effect_se: np.ndarray
    halves: tuple[CellHalves, ...]
    held_back: tuple[EffectTruth, ...]
    replicate_effects: np.ndarray
    replicate_cells: np.ndarray


def measure(
    pair: EvaluationPair, numbers: np.ndarray, seed: int, populations: bool = True
) -> Measured:
    """Measure the observed side of a pair on its scored genes.

    `populations` off leaves out how alike two halves of the cells are as populations.
    """
    truth = _truth(pair, numbers, seed)
    observed, controls = pair.observed.genes(pair.gated), pair.controls.genes(pair.gated)
    rng = numpy_stream(seed, "halves of cells")
    halves: list[CellHalves] = []
    held_back: list[EffectTruth] = []
    effects, cells = [], []
    control = pair.prediction_control.genes(pair.gated)
    start = pseudobulk(control.counts, control.library, pair.target)
    split = replicates(observed, controls, pair.perturbations, pair.target, SPLITS, seed)
    for index, half in enumerate(split):
        calls, significant = None, None
        if index < CELL_SPLITS:
            of_cells = cell_halves(half, observed, controls, pair.perturbations, numbers, rng)
            halves.append(of_cells)
            standard = of_cells.second_control
            alike = [of_cells] if populations else []
            cells.append(
                score_populations(of_cells.first, alike, standard, pair.target, seed + index)
            )
            calls = significant_genes(of_cells.first, control)
            own = pair.truth_control.genes(pair.gated)
            significant = significant_genes(of_cells.second, own)
        held_back.append(replace(truth, state=half.second, significant=significant))
        effects.append(score_on_half(half.first, start, calls, held_back[-1]))
    return Measured(
        truth,
        _effect_se(pair),
        tuple(halves),
        tuple(held_back),
        np.stack(effects),
        np.stack(cells),
    )


def score_on_half(
    state: np.ndarray, control: np.ndarray, calls: np.ndarray | None, half: EffectTruth
) -> np.ndarray:
    """Score predicted states [P, G] against a half of the truth, [M, P].

    NaN where the half has no cell of a perturbation; a NaN state is the caller's to judge.
    """
    scores = np.full((len(EFFECT_METRICS), len(state)), np.nan)
    use = np.isfinite(half.state).all(1)
    if not use.any():
        return scores
    truth = replace(half, state=half.state[use])
    if half.significant is not None:
        truth = replace(truth, significant=half.significant[use])
    scores[:, use] = score_effects(
        state[use], control, None if calls is None else calls[use], truth
    )
    return scores


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
