"""Measured effects in rows, labelled by perturbation: what the closed-form baselines learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpjepa.core.errors import DataError
from gpjepa.data.labels import CONTROL, members_of


@dataclass(frozen=True)
class MeasuredPairs:
    """The doubles of a table whose two singles are measured as well."""

    rows: np.ndarray  # int64 [N], rows of the doubles
    singles: np.ndarray  # int64 [N, 2], rows of their members' singles


@dataclass(frozen=True, eq=False)
class EffectTable:
    """Effects of training perturbations, any unit in which doing nothing is 0.

    Labels are canonical (members sorted, joined by `+`) and never the control. `genes` names the
    columns where they are genes; `control` is the control's own profile in the same unit
    (log1p pseudobulk), known only when the table comes from cells.

    Raises `DataError` when labels repeat, shapes disagree or an effect is not finite.
    """

    labels: tuple[str, ...]
    effects: np.ndarray  # float64 [P, G]
    genes: np.ndarray | None = None  # object str [G]
    control: np.ndarray | None = None  # float64 [G]

    def __post_init__(self) -> None:
        if self.effects.ndim != 2 or len(self.effects) != len(self.labels):
            raise DataError(
                f"effects have shape {self.effects.shape} for {len(self.labels)} labels; expected "
                "one row per label; pass [labels x genes]"
            )
        if len(set(self.labels)) != len(self.labels) or CONTROL in self.labels:
            raise DataError(
                "labels of an effect table repeat or contain the control; expected each "
                "perturbation once; average the rows of a perturbation and drop the control"
            )
        if not np.isfinite(self.effects).all():
            raise DataError(
                "an effect table holds NaN or infinity; expected finite effects; drop those rows"
            )

    @cached_property
    def row(self) -> dict[str, int]:
        """Map each label to its row."""
        return {label: index for index, label in enumerate(self.labels)}

    @cached_property
    def containing(self) -> dict[str, tuple[int, ...]]:
        """Map each perturbed gene to the rows of the perturbations that contain it."""
        found: dict[str, list[int]] = {}
        for index, label in enumerate(self.labels):
            for member in members_of(label):
                found.setdefault(member, []).append(index)
        return {member: tuple(rows) for member, rows in found.items()}

    @cached_property
    def pairs(self) -> MeasuredPairs:
        """Find the doubles whose members both have a single in the table."""
        rows, singles = [], []
        for index, label in enumerate(self.labels):
            members = members_of(label)
            if len(members) == 2 and all(member in self.row for member in members):
                rows.append(index)
                singles.append([self.row[member] for member in members])
        return MeasuredPairs(
            np.asarray(rows, dtype=np.int64),
            np.asarray(singles, dtype=np.int64).reshape(-1, 2),
        )

    def single_rows(self, label: str) -> list[int] | None:
        """Return the rows of the members' singles, or None when one is not measured."""
        members = members_of(label)
        if all(member in self.row for member in members):
            return [self.row[member] for member in members]
        return None

    def sums(self, labels: Sequence[str]) -> np.ndarray:
        """Return the sum of the members' effects [labels, G]; NaN where one is not measured."""
        result = np.full((len(labels), self.effects.shape[1]), np.nan)
        for index, label in enumerate(labels):
            rows = self.single_rows(label)
            if rows is not None:
                result[index] = self.effects[rows].sum(axis=0)
        return result

    def without(self, rows: np.ndarray) -> EffectTable:
        """Return the table without some rows."""
        keep = np.setdiff1d(np.arange(len(self.labels)), rows)
        return EffectTable(
            tuple(self.labels[index] for index in keep),
            self.effects[keep],
            self.genes,
            self.control,
        )

    def beside(self, other: EffectTable, labels: Sequence[str]) -> EffectTable:
        """Return the table with the rows of some labels of another beneath its own."""
        rows = [other.row[label] for label in labels]
        return EffectTable(
            (*self.labels, *labels),
            np.concatenate((self.effects, other.effects[rows])),
            self.genes,
            self.control,
        )

    def composed_in(self, other: EffectTable) -> list[str]:
        """Return the combinations that only the other table has, of members with singles here."""
        return [
            label
            for label in other.labels
            if len(members_of(label)) > 1
            and label not in self.row
            and self.single_rows(label) is not None
        ]
