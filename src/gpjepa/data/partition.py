"""A split: which perturbations train, validate and test, and which control cells are the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError
from gpjepa.data.halves import draw_share, strata_of

if TYPE_CHECKING:
    from gpjepa.data.perturbseq import PerturbSeq

VALIDATION = 0.15  # share of the training perturbations (or cells) that validate


@dataclass(frozen=True)
class SplitCells:
    """Where the cells of each part lie in the data; controls are in no perturbed part."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    train_controls: NDArray[np.int64]  # train, and are predicted from
    truth_controls: NDArray[np.int64]  # kept for the truth


@dataclass(frozen=True)
class Split:
    """Perturbation labels by part, and the names of the control cells kept for the truth."""

    scheme: str
    seed: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    groups: dict[str, str] = field(default_factory=dict)  # test label -> unseen_single, combo_seen1
    truth_controls: frozenset[str] = frozenset()
    context_column: str | None = None
    held_out_context: str | None = None
    fraction: float = 0.25

    def parts(self, data: PerturbSeq) -> SplitCells:
        """Return the indices of each part's cells in `data`."""
        controls = data.is_control
        truth = controls & np.isin(data.cells.astype(str), sorted(self.truth_controls))
        if self.scheme == "cells":
            train, validation, test = self._by_cell(data)
        else:
            train, validation, test = (
                np.isin(data.labels.astype(str), list(labels)) & ~controls
                for labels in (self.train, self.validation, self.test)
            )
        if self.context_column is not None:
            held_out = data.covariate(self.context_column) == self.held_out_context
            train, validation, test = train & ~held_out, validation & ~held_out, test & held_out
        masks = (train, validation, test, controls & ~truth, truth)
        return SplitCells(*(np.flatnonzero(mask).astype(np.int64) for mask in masks))

    def _by_cell(self, data: PerturbSeq) -> tuple[NDArray[np.bool_], ...]:
        """Draw each perturbation's cells: `fraction` test, 15 % of the others validate."""
        perturbed = np.flatnonzero(np.isin(data.labels.astype(str), list(self.train)))
        names = data.cells[perturbed]
        strata = strata_of([data.labels[perturbed]], len(perturbed))
        test = draw_share(names, strata, self.fraction, self.seed, "test cells")
        rest = np.flatnonzero(~test)
        late = draw_share(names[rest], strata[rest], VALIDATION, self.seed, "validation cells")
        masks = tuple(np.zeros(data.n_cells, dtype=bool) for _ in range(3))
        for mask, rows in zip(masks, (rest[~late], rest[late], np.flatnonzero(test)), strict=True):
            mask[perturbed[rows]] = True
        return masks

    def to_json(self) -> dict[str, Any]:
        """Return the split as a JSON document."""
        return {
            "scheme": self.scheme,
            "seed": self.seed,
            "fraction": self.fraction,
            "train": list(self.train),
            "validation": list(self.validation),
            "test": list(self.test),
            "groups": dict(sorted(self.groups.items())),
            "truth_controls": sorted(self.truth_controls),
            "context_column": self.context_column,
            "held_out_context": self.held_out_context,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Split:
        """Return the split that `to_json` wrote; raise `DataError` for another document."""
        try:
            return cls(
                scheme=str(document["scheme"]),
                seed=int(document["seed"]),
                train=tuple(document["train"]),
                validation=tuple(document["validation"]),
                test=tuple(document["test"]),
                groups=dict(document["groups"]),
                truth_controls=frozenset(document["truth_controls"]),
                context_column=document["context_column"],
                held_out_context=document["held_out_context"],
                fraction=float(document["fraction"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the document is no split ({type(error).__name__}: {error}); expected what "
                "Split.to_json wrote; write the split again"
            ) from error


def truth_half(data: PerturbSeq, seed: int, context_column: str | None = None) -> frozenset[str]:
    """Return the names of the half of the control cells kept for the truth.

    Each batch, cell type and context is halved; the odd cell of a stratum trains.

    Raises `DataError` when no stratum has two control cells.
    """
    controls = np.flatnonzero(data.is_control)
    columns = [data.batch, data.cell_type]
    if context_column is not None:
        columns.append(data.covariate(context_column))
    strata = strata_of([None if c is None else c[controls] for c in columns], len(controls))
    kept = draw_share(data.cells[controls], strata, 0.5, seed, "truth controls")
    if not kept.any():
        raise DataError(
            f"{len(controls)} control cells in {len(set(strata))} batches and cell types cannot be "
            "halved; expected two in at least one of them, to predict from and to compare with; "
            "add control cells or leave out the covariates"
        )
    return frozenset(map(str, data.cells[controls][kept]))
