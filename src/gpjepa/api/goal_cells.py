"""Cells by name: those of a condition of the data, of a cell type, or the control cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.controls import ControlCells, bound
from gpjepa.core.errors import ConfigError, DataError, VocabularyError, unknown
from gpjepa.data.labels import CONTROL, CONTROL_NAMES, is_control_name, parse_label
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.inference.bundle import Bundle
from gpjepa.inference.cells import CellTable

if TYPE_CHECKING:
    from anndata import AnnData

CELL_TYPE = "cell_type="  # before the name of a cell type, where a name could be a condition too


@dataclass(frozen=True, eq=False)
class Named:
    """Cells of the modelled genes, and what they were found to be.

    `kind` is "control", "condition", "cell type" or "cells".
    """

    kind: str
    name: str
    cells: CellTable


@dataclass(frozen=True, eq=False)
class Cohort:
    """Where cells are found by name: the model's control cells, and the data where there are any.

    `context` is a cell type or batch that the cells of a condition are taken from.
    """

    bundle: Bundle
    controls: ControlCells
    data: PerturbSeq | None = None
    context: str | None = None

    def of(self, given: AnnData | str) -> Named:
        """Return the cells that were given or named.

        A name is a condition, or a cell type; `cell_type=NAME` is a cell type. Raises
        `VocabularyError` for a name that is neither, `DataError` where there are no data to look
        in, and `ConfigError` for a name that is both.
        """
        if not isinstance(given, str):
            cells = bound(given, self.bundle.panel)
            return Named(
                "cells", f"{len(cells.library)} cells", CellTable(cells.counts, cells.library)
            )
        if given.startswith(CELL_TYPE):
            return self.cell_type(given.removeprefix(CELL_TYPE))
        if is_control_name(given):
            return Named("control", CONTROL, self.controls.within(self.context).table)
        typed, label = given in self._types(), self._label(given)
        if typed and label is not None:
            raise ConfigError(
                f"{given!r} is a condition and a cell type of the data; expected a name that is "
                f"one of them; write {CELL_TYPE + given!r} for the cell type, or pass the cells"
            )
        return self.cell_type(given) if typed else self.condition(given)

    def condition(self, text: str) -> Named:
        """Return the cells of a condition of the data, those of the context where there are any."""
        if self.data is None:
            raise DataError(
                f"condition {text!r} has no cells here: a model that was loaded keeps control "
                "cells only; expected the data that hold the condition; pass data=, on the command "
                "line --data, or its cells as AnnData"
            )
        label = self._label(text)
        if label is None:
            known = self.data.perturbations
            raise VocabularyError(
                unknown("condition", text, known, "name a condition of the data, or pass its cells")
            )
        return Named("condition", label, self._taken(np.asarray(self.data.labels == label)))

    def cell_type(self, name: str) -> Named:
        """Return unperturbed cells of a cell type; perturbed ones where there are no others."""
        if name not in self._types():
            advice = "name a cell type of the data, or pass its cells"
            raise VocabularyError(unknown("cell type", name, self._types(), advice))
        levels = self.controls.levels.get("cell_type")
        if levels is not None and name in set(levels):
            chosen = self.controls.take(np.flatnonzero(levels == name))
            return Named("cell type", name, chosen.table)
        assert self.data is not None
        own = np.asarray(self.data.cell_type == name)
        alone = own & self.data.is_control
        rows = alone if alone.any() else own
        return Named("cell type", name, self._taken(rows, typed=True))

    def _types(self) -> list[str]:
        found = {str(level) for level in self.controls.levels.get("cell_type", ())}
        if self.data is not None and self.data.cell_type is not None:
            found |= {str(level) for level in self.data.cell_type}
        return sorted(found)

    def _label(self, text: str) -> str | None:
        """Return the label of the data that a text stands for; None where there is none."""
        if self.data is None:
            return None
        known = set(self.data.perturbations)
        if text in known:
            return text
        vocabulary = self.bundle.vocabulary
        try:
            label = parse_label(text, CONTROL_NAMES, self.data.members)
            found = label if label in known else vocabulary.resolve(label)
        except VocabularyError:
            return None
        return found if found in known else None

    def _taken(self, rows: np.ndarray, typed: bool = False) -> CellTable:
        assert self.data is not None
        within = self._within()
        if within is not None and not typed and (rows & within).any():
            rows = rows & within
        cells = bound(self.data.subset(rows).to_anndata(), self.bundle.panel)
        return CellTable(cells.counts, cells.library)

    def _within(self) -> np.ndarray | None:
        """Mark the cells of the context; None without one."""
        if self.context is None or self.data is None:
            return None
        for values in (self.data.cell_type, self.data.batch):
            if values is not None and (values == self.context).any():
                return np.asarray(values == self.context)
        return None
