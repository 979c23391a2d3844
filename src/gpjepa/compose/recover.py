"""Which combination made an effect: composition in the unit in which effects are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch

from gpjepa.compose.candidates import Candidate
from gpjepa.compose.composer import Composer
from gpjepa.compose.kernel_fit import Residuals, fit_interaction
from gpjepa.compose.members import Alone
from gpjepa.core.errors import DataError
from gpjepa.data.labels import label_of, members_of, parse_label
from gpjepa.evaluation.baselines_strong import direction_factors, median_distance
from gpjepa.model.composition import Members, PairInteraction
from gpjepa.planning.whitening import cosines, whitening

PULL = 60.0  # doubles' worth of pull of a whitened direction's factor towards the shared one
SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class Recovered:
    """Combinations in the order of their likeness to an effect, the likeliest first.

    `cosine` is that of the predicted with the measured effect, both whitened.
    """

    labels: tuple[str, ...]
    cosine: np.ndarray


@dataclass(frozen=True, eq=False)
class Recoverer:
    """A composition whose factors and residuals live in the whitened unit, `whiten` [G, G].

    There the small directions that tell one gene from its relatives count as much as the large
    ones. A shift is the mean of two kernels' predictions from the doubles' `residuals` [N, G]: one
    learned in this unit by leave-one-out error, the other what the composer learned in the
    table's own. Without doubles enough for a kernel the composer's predictions are whitened.
    """

    composer: Composer
    whiten: np.ndarray
    factors: np.ndarray  # [D]
    basis: np.ndarray  # [D, G], of the whitened singles
    residuals: np.ndarray  # [N, G], in directions that no single has too
    own: PairInteraction | None

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return the predicted effects of combinations [labels, G], whitened."""
        composer = self.composer
        alone = composer.members(tuple(labels))
        if self.own is None:
            return composer.stack.predict(alone, labels) @ self.whiten
        white = replace(alone, effects=alone.effects @ self.whiten)
        sums = white.sums(labels) @ self.basis.T
        several = np.array([len(members_of(label)) > 1 for label in labels])
        found = np.where(several[:, None], sums * self.factors, sums) @ self.basis
        for owner, pairs in _pairs(labels):
            shift = _smoother(self.own, white.members(pairs, self.basis))
            shift = (shift + _shared(composer, alone, pairs)) / 2
            np.add.at(found, owner, shift @ self.residuals)
        return np.asarray(found)

    def recover(
        self, effect: np.ndarray, n: int = 10, candidates: Sequence[str] | None = None
    ) -> Recovered:
        """Return the `n` candidates whose predicted effect is most like a measured one [G].

        The candidates are all pairs of the measured genes for None. Raises `DataError` for an
        effect of another length or without any.
        """
        effect = np.asarray(effect, dtype=np.float64)
        if effect.shape != (len(self.whiten),) or not np.isfinite(effect).all() or not effect.any():
            raise DataError(
                f"the effect has shape {effect.shape}; expected {len(self.whiten)} finite values, "
                "not all 0; pass one row in the order and unit of the table"
            )
        known = frozenset(self.composer.alone.names)
        names = all_pairs(self.composer.alone) if candidates is None else tuple(candidates)
        labels = tuple(parse_label(each, known=known) for each in names)
        found = cosines((effect @ self.whiten)[None], self.effects(labels))[0]
        order = np.argsort(-found, kind="stable")[:n]
        return Recovered(tuple(labels[row] for row in order), found[order])


def all_pairs(alone: Alone) -> tuple[str, ...]:
    """Return the labels of all pairs of genes."""
    return tuple(label_of(list(pair)) for pair in combinations(alone.names, 2))


def fit_recoverer(composer: Composer) -> Recoverer:
    """Fit a fitted composition anew in the unit whitened by the effects of the single genes."""
    alone, held_out = composer.alone, composer.stack.held_out
    whiten = whitening(alone.effects)
    white = replace(alone, effects=alone.effects @ whiten)
    _, values, basis = np.linalg.svd(white.effects, full_matrices=False)
    basis = basis[values > SMALL * values[0]]
    if held_out is None or not _kernels(composer):
        nothing = np.zeros((0, len(whiten)))
        return Recoverer(composer, whiten, np.ones(len(basis)), basis, nothing, None)
    anchors = _anchors(composer)
    truth = dict(zip(held_out.labels, held_out.truth @ whiten, strict=True))
    doubles = np.stack([truth[label] for label in anchors])
    error = np.linalg.norm(doubles - white.sums(anchors), axis=1)
    members = white.members(anchors, basis)
    sums = members.effects.sum(dim=1).numpy()
    factors = direction_factors(sums, doubles @ basis.T, PULL)
    residuals = doubles - (factors * sums) @ basis
    unit = median_distance(white.effects @ basis.T)
    known = np.concatenate((white.effects, doubles)) @ basis.T
    described = Residuals.of(residuals @ basis.T, error, sums, known, unit)
    own, _ = fit_interaction(members, described, unit, "loo")
    return Recoverer(composer, whiten, factors, basis, residuals, own)


def _kernels(composer: Composer) -> list[Candidate]:
    return [each for each in composer.stack.candidates if not each.noise_only]


def _anchors(composer: Composer) -> tuple[str, ...]:
    """Return the labels of the measured doubles, in the order of the kernels' own."""
    ids = _kernels(composer)[0].composition.interaction.anchors.ids.numpy()
    names = composer.alone.names
    return tuple(label_of([names[row] for row in pair]) for pair in ids)


def _smoother(interaction: PairInteraction, pairs: Members) -> np.ndarray:
    """Return what each measured pair's residual adds to the shift of each pair [N, M]."""
    with torch.no_grad():
        return (interaction.kernel(pairs, interaction.anchors) @ interaction.precision).numpy()


def _shared(composer: Composer, alone: Alone, pairs: Sequence[str]) -> np.ndarray:
    """Return the mean of the composer's own kernels' `_smoother` [pairs, M]."""
    each = [
        _smoother(own.composition.interaction, alone.members(pairs, own.basis))
        for own in _kernels(composer)
    ]
    return np.mean(each, axis=0)


def _pairs(labels: Sequence[str]) -> list[tuple[np.ndarray, list[str]]]:
    """Return the pairs inside all labels and the row of each; none where there are no pairs."""
    found = [
        (row, label_of(list(pair)))
        for row, label in enumerate(labels)
        for pair in combinations(members_of(label), 2)
    ]
    return [(np.array([row for row, _ in found]), [pair for _, pair in found])] if found else []
