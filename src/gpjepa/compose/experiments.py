"""Next experiments: the pairs and genes whose measurement would tell most, or a goal needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gpjepa.compose.belief import believe
from gpjepa.compose.composer import Composer
from gpjepa.compose.lone_doubt import with_members
from gpjepa.compose.members import Alone
from gpjepa.compose.recover import all_pairs
from gpjepa.core.errors import ConfigError, DataError
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import members_of, parse_label
from gpjepa.planning.experiments import Belief, closeness, most_informative, most_promising

MOST = 1500  # candidates whose covariance is weighed at once: time grows with their square


@dataclass(frozen=True, eq=False)
class Experiments:
    """Pairs and genes to measure together, in the order in which they were chosen.

    `distance` is that of each predicted effect to the goal, NaN without one.
    `deviation` is the root summed variance of what is believed of each effect before the batch.
    """

    labels: tuple[str, ...]
    distance: np.ndarray  # [n]
    deviation: np.ndarray  # [n]


def next_experiments(
    composer: Composer,
    n: int,
    goal: np.ndarray | None = None,
    candidates: Sequence[str] | None = None,
    seed: int = 0,
) -> Experiments:
    """Choose the next `n` experiments, in view of the doubles that `composer` learned from.

    Without a goal those that would lower the doubt about all candidates most, near copies of one
    another left out; with a `goal`, an effect [G], those that may come closest to it. The
    candidates are all pairs of the measured genes for None, less those measured; of more than
    1,500 a draw of `seed` or, with a goal, those predicted closest are weighed. Without a goal the
    doubt is that about all pairs, candidates or not. Genes never measured may be named, alone or
    in pairs, where they have features: pairs carry their doubt. Raises `ConfigError` for labels of
    more than two genes or fewer candidates than `n`, `VocabularyError` for genes without features,
    and `DataError` for a goal of another length.
    """
    labels = _candidates(composer, candidates)
    rng = numpy_stream(seed, "next experiments")
    alone = composer.members(labels)
    if goal is not None:
        goal = _effect(composer, goal)
    if len(labels) > MOST:
        if goal is None:
            rows = np.sort(rng.choice(len(labels), MOST, replace=False))
        else:
            apart = np.linalg.norm(_predicted(composer, alone, labels) - goal, axis=1)
            rows = np.sort(np.argsort(apart, kind="stable")[:MOST])
        labels = tuple(labels[row] for row in rows)
    count = len(labels)
    if goal is None and candidates is not None:
        labels = (*labels, *_others(composer, labels, MOST - count, rng))
    order = sorted(range(len(labels)), key=lambda row: len(members_of(labels[row])) == 1)
    labels, among = tuple(labels[row] for row in order), np.flatnonzero(np.array(order) < count)
    belief, basis = _belief(composer, alone, labels)
    variance = np.maximum(np.diagonal(belief.covariance), 0.0) * (belief.spread**2).sum()
    if goal is None:
        chosen = most_informative(belief, n, among)
        distance = np.full(n, np.nan)
    else:
        belief = replace(belief, mean=_predicted(composer, alone, labels) @ basis.T)
        inside = basis @ goal
        worth, slope = closeness(belief.mean, inside, float(goal @ goal - inside @ inside))
        chosen = most_promising(belief, worth, slope, n)
        distance = -worth[chosen]
    return Experiments(tuple(labels[row] for row in chosen), distance, np.sqrt(variance[chosen]))


def _effect(composer: Composer, goal: np.ndarray) -> np.ndarray:
    """Return a goal [G] as float64; raise `DataError` for one of another length."""
    goal = np.asarray(goal, dtype=np.float64)
    if goal.shape != composer.alone.effects.shape[1:] or not np.isfinite(goal).all():
        raise DataError(
            f"the goal has shape {goal.shape}; expected {composer.alone.effects.shape[1]} "
            "finite values; pass one effect in the order and unit of the table"
        )
    return goal


def _others(
    composer: Composer, labels: Sequence[str], most: int, rng: np.random.Generator
) -> tuple[str, ...]:
    """Return up to `most` unmeasured pairs beside `labels`, drawn where there are more."""
    others = sorted(set(_candidates(composer, None)) - set(labels))
    rows = np.sort(rng.permutation(len(others))[: max(most, 0)])
    return tuple(others[row] for row in rows)


def _candidates(composer: Composer, candidates: Sequence[str] | None) -> tuple[str, ...]:
    """Return the canonical labels that can be measured next, each once."""
    known = frozenset(composer.alone.names)
    names = all_pairs(composer.alone) if candidates is None else candidates
    labels = tuple(dict.fromkeys(parse_label(each, known=known) for each in names))
    for label in labels:
        if len(members_of(label)) > 2:
            raise ConfigError(
                f"{label!r} is not a pair of genes; expected labels such as 'A+B', or a gene never "
                "measured; leave it out"
            )
    return tuple(label for label in labels if label not in composer.measured)


def _belief(composer: Composer, alone: Alone, labels: Sequence[str]) -> tuple[Belief, np.ndarray]:
    """Return the belief about pairs and, after them, genes, and the directions that it is along."""
    held_out = composer.stack.held_out
    measured = () if held_out is None else held_out.labels
    effects = composer.alone.effects[:0] if held_out is None else held_out.truth
    pairs = [label for label in labels if len(members_of(label)) == 2]
    belief, basis, _ = believe(alone, measured, effects, pairs or all_pairs(composer.alone)[:1])
    return with_members(composer, belief, basis, pairs, labels[len(pairs) :]), basis


def _predicted(composer: Composer, alone: Alone, labels: Sequence[str]) -> np.ndarray:
    """Return the effects [N, G] of pairs, composed, and of genes by themselves."""
    lone = np.array([len(members_of(label)) == 1 for label in labels], dtype=bool)
    effects = composer.stack.predict(alone, labels)
    effects[lone] = composer.stack.alone(alone, labels)[lone]
    return effects
