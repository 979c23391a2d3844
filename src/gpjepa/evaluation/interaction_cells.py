"""Interactions measured in cells so that what labels them shares no noise with what is scored.

Measured ε and predicted ε of a combination both contain the cells of its members and of the
control. With the same cells in both, the noise of those cells alone makes them agree: a model
that predicts nothing correlates, and a perfectly additive one nearly as much as a replicate.
So the members' training cells are dealt into two halves, and the two sides never share a half:

- label: a half of the combination's cells, a half of each member's, the truth's control;
- replicate (the ceiling): the other halves and the control that predictions start from;
- fitted rules: refitted on the other halves, minus their own predictions of the members;
- a model known by its predictions: minus the members of the other half. If it was trained on
  the label's cells as well, their noise can only count against it: an additive model gets below
  chance, never above.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of
from gpjepa.evaluation.baselines import effect_table
from gpjepa.evaluation.bounds import replicate_halves
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interactions import (
    interacting_genes,
    interacting_pairs,
    interaction_error,
    state_interaction,
)
from gpjepa.evaluation.pair import EvaluationPair
from gpjepa.evaluation.population import Population
from gpjepa.evaluation.pseudobulk import (
    count_resolution,
    group_pseudobulk,
    group_standard_error,
    pseudobulk,
)

FEWEST_CELLS = 10  # of a combination and of each member, before they are halved
HALVINGS = 2  # random ones, each used in both directions


@dataclass(frozen=True, eq=False)
class InteractionView:
    """One way of labelling the interactions of K combinations on G scored genes.

    `label` [K, G] is the measured ε, `genes` [K, G] and `pairs` [K] where it is significant,
    `replicate` [K, G] a second measurement, `sums` [K, G] the state that the sum of the members
    leads to without the label's cells, and `table` the training effects without them (all
    genes, against the control that predictions start from).
    """

    label: np.ndarray
    genes: np.ndarray
    pairs: np.ndarray
    replicate: np.ndarray
    sums: np.ndarray
    table: EffectTable


@dataclass(frozen=True, eq=False)
class _Halves:
    """States on all genes, errors on the scored ones, of groups of cells, [2, groups, ·]."""

    states: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True, eq=False)
class _Fixed:
    """What no halving changes: the members of each label, training effects, both controls."""

    pair: EvaluationPair
    labels: tuple[str, ...]
    singles: tuple[str, ...]
    members: tuple[list[int], ...]  # rows of `singles`
    table: EffectTable
    base: np.ndarray  # [all genes], state of the control that predictions start from
    control: np.ndarray  # [G], of the truth's control
    control_error: np.ndarray  # [G]


def scored_combinations(pair: EvaluationPair) -> tuple[str, ...]:
    """Return the observed combinations with enough cells, of members with enough in training."""
    train, observed = _sizes(pair.train.labels), _sizes(pair.observed.labels)
    return tuple(
        label
        for label in pair.perturbations
        if len(members_of(label)) > 1
        and observed.get(label, 0) >= FEWEST_CELLS
        and all(train.get(member, 0) >= FEWEST_CELLS for member in members_of(label))
    )


def interaction_views(
    pair: EvaluationPair, labels: Sequence[str], seed: int, halvings: int = HALVINGS
) -> Iterator[InteractionView]:
    """Yield the views of `labels`, two for each random halving of the cells."""
    fixed = _fixed(pair, tuple(labels))
    train = pair.train
    trained = Population(train.counts, np.asarray(train.library, dtype=np.float64), train.labels)
    rng = numpy_stream(seed, "interaction halves")
    for _ in range(halvings):
        combined = _halve(pair.observed, fixed.labels, pair, rng)
        members = _halve(trained, fixed.singles, pair, rng)
        yield _view(fixed, combined, members, 0)
        yield _view(fixed, combined, members, 1)


def _fixed(pair: EvaluationPair, labels: tuple[str, ...]) -> _Fixed:
    singles = tuple(sorted({member for label in labels for member in members_of(label)}))
    row = {single: index for index, single in enumerate(singles)}
    train, kept = pair.train, pair.train.is_control
    base = pseudobulk(train.counts[kept], train.library[kept], pair.target)
    control = pair.truth_control.genes(pair.gated)
    alone = np.zeros(control.n_cells, dtype=np.int64)
    state, error = _measured(control, alone, 1, pair.target)
    return _Fixed(
        pair,
        labels,
        singles,
        tuple([row[member] for member in members_of(label)] for label in labels),
        effect_table(train, base, pair.target),
        base,
        state[0],
        error[0],
    )


def _view(fixed: _Fixed, combined: _Halves, members: _Halves, side: int) -> InteractionView:
    """Label with the cells of one side and leave those of the other for what is scored."""
    gated, other = fixed.pair.gated, 1 - side
    base = fixed.base[gated]
    label, error, replicate, sums = [], [], [], []
    for index, rows in enumerate(fixed.members):
        own, left = members.states[side][rows][:, gated], members.states[other][rows][:, gated]
        state = combined.states[:, index][:, gated]
        label.append(state_interaction(state[side], own, fixed.control))
        spread = members.errors[side][rows]
        error.append(interaction_error(combined.errors[side, index], spread, fixed.control_error))
        sums.append(-state_interaction(np.zeros_like(base), left, base))
        replicate.append(state[other] - sums[-1])
    value, spreads = np.stack(label), np.stack(error)
    effects = fixed.table.effects.copy()
    rows = [fixed.table.row[single] for single in fixed.singles]
    effects[rows] = members.states[other] - fixed.base
    return InteractionView(
        label=value,
        genes=interacting_genes(value, spreads),
        pairs=interacting_pairs(value, spreads),
        replicate=np.stack(replicate),
        sums=np.stack(sums),
        table=replace(fixed.table, effects=effects),
    )


def _halve(
    cells: Population, names: Sequence[str], pair: EvaluationPair, rng: np.random.Generator
) -> _Halves:
    codes, groups = cells.codes(names), len(names)
    kept = np.flatnonzero(codes >= 0)
    chosen = cells.take(kept)
    codes = codes[kept] + groups * replicate_halves(codes[kept], groups, rng)
    states = group_pseudobulk(chosen.counts, chosen.library, codes, 2 * groups, pair.target)
    _, errors = _measured(chosen.genes(pair.gated), codes, 2 * groups, pair.target)
    return _Halves(
        states.reshape(2, groups, states.shape[1]), errors.reshape(2, groups, errors.shape[1])
    )


def _measured(
    cells: Population, codes: np.ndarray, groups: int, target: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return states and standard errors, no smaller than what one count more would change."""
    states = group_pseudobulk(cells.counts, cells.library, codes, groups, target)
    errors = group_standard_error(cells.counts, cells.library, codes, groups, target)
    totals = np.bincount(codes, weights=cells.library, minlength=groups)
    return states, np.maximum(errors, count_resolution(totals[:, None], target, states))


def _sizes(labels: np.ndarray) -> dict[str, int]:
    names, sizes = np.unique(labels.astype(str), return_counts=True)
    return dict(zip(names.tolist(), sizes.tolist(), strict=True))
