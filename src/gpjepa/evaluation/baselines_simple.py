"""Baselines that average and add: no change, training mean, matching mean, (scaled) additive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.evaluation.effect_table import EffectTable

NOT_FITTED = "not fitted: no training double has both singles"


@dataclass(frozen=True, eq=False)
class NoChange:
    """Predict that nothing happens."""

    table: EffectTable
    name: str = "no change"
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return zeros [labels, G]."""
        return np.zeros((len(labels), self.table.effects.shape[1]))


@dataclass(frozen=True, eq=False)
class TrainingMean:
    """Predict the mean effect of the training perturbations, whatever is asked."""

    table: EffectTable
    name: str = "training mean"
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return the same mean effect for every label [labels, G]."""
        return np.tile(self.table.effects.mean(axis=0), (len(labels), 1))


@dataclass(frozen=True, eq=False)
class MatchingMean:
    """Predict the mean over the members of what is known of each.

    Of a member that is its single's effect, else the mean of the training effects that contain
    it, else the training mean.

    Source: the matching-mean baseline of Systema (Viñas Torné et al. 2025).
    """

    table: EffectTable
    name: str = "matching mean"
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G], never NaN."""
        mean = self.table.effects.mean(axis=0)
        known = {member for label in labels for member in members_of(label)}
        effect = {member: self._member(member, mean) for member in sorted(known)}
        rows = [
            np.mean([effect[member] for member in members_of(label)], axis=0) for label in labels
        ]
        return np.asarray(rows).reshape(len(labels), -1)

    def _member(self, member: str, mean: np.ndarray) -> np.ndarray:
        table = self.table
        if member in table.row:
            return table.effects[table.row[member]]
        rows = table.containing.get(member, ())
        return table.effects[list(rows)].mean(axis=0) if rows else mean


@dataclass(frozen=True, eq=False)
class Additive:
    """Predict `factor` times the sum of the members' effects; NaN where one is not measured.

    A single is its own measured effect: the factor belongs to sums.
    """

    table: EffectTable
    name: str = "additive"
    factor: float = 1.0
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G]; a row is NaN when a member has no single."""
        scale = np.array([self.factor if len(members_of(label)) > 1 else 1.0 for label in labels])
        return self.table.sums(labels) * scale[:, None]


def fit_factor(sums: np.ndarray, doubles: np.ndarray) -> float:
    """Return the least-squares factor of the doubles on the sums of their members [N, G]."""
    weight = float((sums * sums).sum())
    return float((sums * doubles).sum()) / weight if weight > 0 else 1.0


def fit_scaled_additive(table: EffectTable) -> Additive:
    """Learn one factor on the training doubles that have both singles; 1 when there are none."""
    pairs = table.pairs
    name = "scaled additive"
    if not len(pairs.rows):
        return Additive(table, name, fitted=False, notes=(NOT_FITTED,))
    sums = table.effects[pairs.singles].sum(axis=1)
    factor = fit_factor(sums, table.effects[pairs.rows])
    note = f"factor {factor:.3f} on {len(pairs.rows)} doubles"
    return Additive(table, name, factor, notes=(note,))
