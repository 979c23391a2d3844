"""Rows of the representation axis: collapse, neighbourhoods, cell types, held-out shifts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.random import derive_seed, numpy_stream
from gpjepa.data.labels import CONTROL
from gpjepa.evaluation.bootstrap import bootstrap_mean
from gpjepa.evaluation.cell_types import knn_accuracy, separation
from gpjepa.evaluation.embedding_space import (
    NEIGHBOURS,
    neighbourhood_overlap,
    shift_similarity,
    spread,
)
from gpjepa.evaluation.reference_spaces import NO_SCVI, SCVI, has_scvi

if TYPE_CHECKING:
    from gpjepa.data.perturbseq import PerturbSeq

FEWEST_CELLS = 50  # of a condition, for cell types
MOST_CONDITIONS = 6
SPLITS = 10
NAN = float("nan")
OURS = ""  # the model column of what is evaluated, before it is named
NO_ANNOTATION = "no annotation"
NO_CLUSTERS = 1.0 / 6.0  # AvgBIO when clusters and types have nothing to do with each other


@dataclass(frozen=True)
class Row:
    """One line of the table; NaN where a bound does not exist."""

    metric: str
    perturbation: str
    value: float
    low: float = NAN
    high: float = NAN
    floor: float = NAN
    ceiling: float = NAN
    n: int = 0
    model: str = ""
    note: str = ""

    @property
    def skill(self) -> float:
        """(value − floor) / (ceiling − floor); NaN without both or without room."""
        room = self.ceiling - self.floor
        return (self.value - self.floor) / room if abs(room) > 0 else NAN


def collapse_rows(embedding: np.ndarray, expression: np.ndarray) -> list[Row]:
    """Say how many dimensions the cells use, against as many principal components."""
    own, other = spread(embedding), spread(expression[:, : embedding.shape[1]])
    note = (
        f"{own.effective_rank:.1f} of {embedding.shape[1]} dimensions; "
        f"PCA {other.effective_rank:.1f} of {min(expression.shape[1], embedding.shape[1])}"
    )
    low, middle, high = np.quantile(own.std, [0.0, 0.5, 1.0])
    widths = f"standard deviation per dimension {low:.3g} to {high:.3g}, median {middle:.3g}"
    count = len(embedding)
    ratio = own.effective_rank / other.effective_rank
    return [
        Row("effective_rank", "all", ratio, ceiling=1.0, floor=0.0, n=count, note=note),
        Row("collapsed_dimensions", "all", own.collapsed, n=count, note=widths),
    ]


def overlap_row(model: str, embedding: np.ndarray, expression: np.ndarray, split: float) -> Row:
    """Compare neighbourhoods with those of expression, PCA of log counts.

    The ceiling is the expression space itself; `split`, what two halves of the counts agree on, is
    noted, because an overlap beyond it follows the noise of the counts.
    """
    overlap = neighbourhood_overlap(embedding, expression)
    error = 1.96 * float(overlap.std(ddof=1)) / np.sqrt(len(overlap))
    value = float(overlap.mean())
    return Row(
        "neighbourhood_overlap",
        "all",
        value,
        value - error,
        value + error,
        floor=min(1.0, NEIGHBOURS / (len(overlap) - 1)),
        ceiling=1.0,
        n=len(overlap),
        model=model,
        note="" if model else f"two halves of the counts agree on {split:.2f}",
    )


def cell_type_rows(spaces: Mapping[str, np.ndarray], data: PerturbSeq, seed: int) -> list[Row]:
    """Score annotated types within each condition, in every space by its name.

    Types are separated within a condition, because the condition itself separates cells more
    than types do. At most `MOST_CONDITIONS`, the control first and then the largest.
    """
    groups = _conditions(data)
    if data.cell_type is None or not groups:
        return [Row("avg_bio_best", "all", NAN, note=NO_ANNOTATION)]
    rows = []
    for model, space in spaces.items():
        values = {}
        for label, cells in groups.items():
            types = data.cell_type[cells]
            best, fixed = separation(space[cells], types, seed)
            _, counts = np.unique(types.astype(str), return_counts=True)
            accuracy = knn_accuracy(space[cells], types, seed)
            values[label] = (accuracy, best.average, fixed.average, counts.max() / counts.sum())
        values["all"] = tuple(np.mean(list(values.values()), axis=0))
        for label, (accuracy, best_value, fixed_value, floor) in values.items():
            count = len(groups.get(label, ())) or sum(map(len, groups.values()))
            for name, value, lowest in (
                ("knn_accuracy", accuracy, floor),
                ("avg_bio_best", best_value, NO_CLUSTERS),
                ("avg_bio_fixed", fixed_value, NO_CLUSTERS),
            ):
                rows.append(Row(name, label, value, floor=lowest, n=count, model=model))
    return rows


def absent_rows() -> list[Row]:
    """Return a row that says so for a reference whose package is not installed."""
    return (
        [] if has_scvi() else [Row("neighbourhood_overlap", "all", NAN, model=SCVI, note=NO_SCVI)]
    )


def _conditions(data: PerturbSeq) -> dict[str, np.ndarray]:
    """Return the cells of each condition that has enough of them and at least two types."""
    if data.cell_type is None:
        return {}
    names, sizes = np.unique(data.labels.astype(str), return_counts=True)
    order = sorted(zip(names, sizes, strict=True), key=lambda item: (item[0] != CONTROL, -item[1]))
    groups: dict[str, np.ndarray] = {}
    for name, size in order[:MOST_CONDITIONS]:
        cells = np.flatnonzero(data.labels == name)
        if size >= FEWEST_CELLS and len(set(data.cell_type[cells])) > 1:
            groups[str(name)] = cells
    return groups


def similarity_rows(
    model: str,
    guess: np.ndarray,
    guess_labels: np.ndarray,
    embedding: np.ndarray,
    labels: np.ndarray,
    perturbations: tuple[str, ...],
    seed: int,
) -> list[Row]:
    """Compare predicted with observed shifts of centroids, each against half of the controls.

    `guess` and `embedding` are predicted and observed cells in one space, `model` its name. Means
    over random halves; the ceiling compares halves of the observed cells. The floor, no
    change, is 0.
    """
    rng = numpy_stream(seed, "held-out similarity")
    controls = embedding[labels == CONTROL]
    rows = []
    for label in perturbations:
        cells, sampled = embedding[labels == label], guess[guess_labels == label]
        value, ceiling = _similarity(sampled, cells, controls, rng)
        row = Row("held_out_similarity", label, value, floor=0.0, ceiling=ceiling)
        rows.append(replace(row, n=len(cells), model=model))
    if not rows:
        return []
    scores = np.array([row.value for row in rows])
    low, high = bootstrap_mean(scores, derive_seed(seed, "held-out similarity"))
    ceiling = float(np.mean([row.ceiling for row in rows]))
    total = Row(
        "held_out_similarity",
        "all",
        float(scores.mean()),
        low,
        high,
        floor=0.0,
        ceiling=ceiling,
        n=len(rows),
        model=model,
    )
    return [total, *rows]


def _similarity(
    sampled: np.ndarray, cells: np.ndarray, controls: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the mean similarity of predicted cells, and of halves of the observed ones."""
    values, ceilings = [], []
    for _ in range(SPLITS):
        first, second = _deal(controls, rng)
        values.append(shift_similarity(sampled, first, cells, second))
        ceilings.append(shift_similarity(*_interleave(_deal(cells, rng), (first, second))))
    return float(np.mean(values)), float(np.mean(ceilings))


def _deal(cells: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = rng.permutation(len(cells))
    return cells[order[::2]], cells[order[1::2]]


def _interleave(
    cells: tuple[np.ndarray, np.ndarray], origins: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return cells[0], origins[0], cells[1], origins[1]
