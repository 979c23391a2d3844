"""The representation axis: what an embedding of the observed cells is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.random import derive_seed, numpy_stream
from gpjepa.data.labels import CONTROL, CONTROL_NAMES
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.roles import PERTURBATION_COLUMNS
from gpjepa.evaluation.bootstrap import bootstrap_mean
from gpjepa.evaluation.cell_types import knn_accuracy, separation
from gpjepa.evaluation.embedding_space import (
    COMPONENTS,
    NEIGHBOURS,
    neighbourhood_overlap,
    principal_components,
    replicate_overlap,
    shift_similarity,
    spread,
)
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.prediction import read_prediction

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

    from gpjepa.evaluation.pair import EvaluationPair

KEYS = ("X_embedding", "X_gpjepa")
MOST_CELLS = 2000  # of which neighbourhoods and clusters are computed
FEWEST_CELLS = 50  # of a condition, for cell types
MOST_CONDITIONS = 6
FEWEST = 3  # cells without which there are no neighbours
SPLITS = 10
NAN = float("nan")
PCA = "PCA"
NO_ANNOTATION = "no annotation"
NO_CLUSTERS = 1.0 / 6.0  # AvgBIO when clusters and types have nothing to do with each other

REPRESENTATION_METRICS = (
    Metric("knn_accuracy", 1.0, 0.0, "higher", "cell types by 15 neighbours, 5 folds"),
    Metric("avg_bio_best", 1.0, 0.0, "higher", "AvgBIO, Leiden resolution chosen by labels"),
    Metric("avg_bio_fixed", 1.0, 0.0, "higher", "AvgBIO, Leiden resolution 1"),
    Metric("neighbourhood_overlap", 1.0, 0.0, "higher", "15 neighbours shared with expression"),
    Metric("held_out_similarity", 1.0, -1.0, "higher", "cosine of centroid shifts, latent"),
    Metric("effective_rank", 1.0, 0.0, "higher", "effective rank over that of PCA"),
    Metric("collapsed_dimensions", 0.0, 1.0, "lower", "share of dimensions without spread"),
)


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


def score_representation(
    predicted: AnnData, observed: AnnData, pair: EvaluationPair, seed: int
) -> DataFrame | None:
    """Score the embeddings in obsm of both sides; None when the observed cells have none.

    Columns metric, perturbation, value, low, high, floor, ceiling, skill, n, model and note.
    `model` is empty for what is evaluated and "PCA" for the same on 50 principal components.
    Without annotated types AvgBIO is one NaN row that notes it. A NaN among the embeddings
    makes every value NaN, which counts as the worst.
    """
    import pandas

    embedding = find_embedding(observed)
    if embedding is None:
        return None
    data = read(observed, announce=False)
    guess = find_embedding(predicted)
    if not np.isfinite(embedding).all() or len(embedding) < FEWEST:
        note = "the embedding holds NaN" if len(embedding) >= FEWEST else "too few cells"
        rows = [
            Row(metric.name, "all", NAN, n=data.n_cells, note=note)
            for metric in REPRESENTATION_METRICS
        ]
    else:
        rows = cell_rows(embedding, data, pair.target, seed)
        if guess is not None and guess.shape[1] == embedding.shape[1]:
            labels = _predicted_labels(predicted, data)
            rows += similarity_rows(guess, labels, embedding, data.labels, pair, seed)
    columns = (*Row.__dataclass_fields__, "skill")
    records = [{name: getattr(row, name) for name in columns} for row in rows]
    return pandas.DataFrame.from_records(records, columns=columns)


def find_embedding(adata: AnnData) -> np.ndarray | None:
    """Return the cells' embedding [B, D] from obsm, None when there is none."""
    for key in KEYS:
        if key in adata.obsm:
            return np.asarray(adata.obsm[key], dtype=np.float64)
    return None


def cell_rows(embedding: np.ndarray, data: PerturbSeq, target: float, seed: int) -> list[Row]:
    """Score the embedding of observed cells, on at most `MOST_CELLS` of them."""
    rng = numpy_stream(seed, "representation")
    chosen = np.sort(rng.permutation(data.n_cells)[:MOST_CELLS])
    space, cells = embedding[chosen], data.subset(chosen)
    expression = principal_components(cells.counts, cells.library, target, COMPONENTS, seed)
    return [
        *collapse_rows(embedding, expression),
        overlap_row(space, cells, expression, target, rng),
        *cell_type_rows(space, expression, cells, seed),
    ]


def collapse_rows(embedding: np.ndarray, expression: np.ndarray) -> list[Row]:
    """Say how many dimensions the cells use, against as many principal components."""
    own, other = spread(embedding), spread(expression[:, : embedding.shape[1]])
    note = (
        f"{own.effective_rank:.1f} of {embedding.shape[1]} dimensions; "
        f"PCA {other.effective_rank:.1f} of {min(expression.shape[1], embedding.shape[1])}"
    )
    count = len(embedding)
    ratio = own.effective_rank / other.effective_rank
    return [
        Row("effective_rank", "all", ratio, ceiling=1.0, floor=0.0, n=count, note=note),
        Row("collapsed_dimensions", "all", own.collapsed, n=count),
    ]


def overlap_row(
    embedding: np.ndarray,
    data: PerturbSeq,
    expression: np.ndarray,
    target: float,
    rng: np.random.Generator,
) -> Row:
    """Compare neighbourhoods with those of expression.

    The ceiling is the expression space itself; what two halves of the counts agree on is noted,
    because an overlap beyond it follows the noise of the counts.
    """
    overlap = neighbourhood_overlap(embedding, expression)
    error = 1.96 * float(overlap.std(ddof=1)) / np.sqrt(len(overlap))
    value = float(overlap.mean())
    split = replicate_overlap(data.counts, data.library, target, rng)
    return Row(
        "neighbourhood_overlap",
        "all",
        value,
        value - error,
        value + error,
        floor=min(1.0, NEIGHBOURS / (len(overlap) - 1)),
        ceiling=1.0,
        n=len(overlap),
        note=f"two halves of the counts agree on {split:.2f}",
    )


def cell_type_rows(
    embedding: np.ndarray, expression: np.ndarray, data: PerturbSeq, seed: int
) -> list[Row]:
    """Score annotated types within each condition, beside the same on PCA.

    Types are separated within a condition, because the condition itself separates cells more
    than types do. At most `MOST_CONDITIONS`, the control first and then the largest.
    """
    groups = _conditions(data)
    if data.cell_type is None or not groups:
        return [Row("avg_bio_best", "all", NAN, note=NO_ANNOTATION)]
    rows = []
    for model, space in (("", embedding), (PCA, expression)):
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
    guess: np.ndarray,
    guess_labels: np.ndarray,
    embedding: np.ndarray,
    labels: np.ndarray,
    pair: EvaluationPair,
    seed: int,
) -> list[Row]:
    """Compare predicted with observed shifts of centroids, each against half of the controls.

    Means over random halves; the ceiling compares halves of the observed cells. The floor, no
    change, is 0.
    """
    rng = numpy_stream(seed, "held-out similarity")
    controls = embedding[labels == CONTROL]
    rows = []
    for label in pair.perturbations:
        cells, sampled = embedding[labels == label], guess[guess_labels == label]
        values, ceilings = [], []
        for _ in range(SPLITS):
            first, second = _deal(controls, rng)
            values.append(shift_similarity(sampled, first, cells, second))
            ceilings.append(shift_similarity(*_interleave(_deal(cells, rng), (first, second))))
        ceiling = float(np.mean(ceilings))
        value = float(np.mean(values))
        rows.append(
            Row("held_out_similarity", label, value, floor=0.0, ceiling=ceiling, n=len(cells))
        )
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
    )
    return [total, *rows]


def _deal(cells: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = rng.permutation(len(cells))
    return cells[order[::2]], cells[order[1::2]]


def _interleave(
    cells: tuple[np.ndarray, np.ndarray], origins: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return cells[0], origins[0], cells[1], origins[1]


def _predicted_labels(predicted: AnnData, observed: PerturbSeq) -> np.ndarray:
    """Return the canonical labels of the predicted cells, in their order."""
    columns = tuple(dict.fromkeys((observed.roles.perturbation, *PERTURBATION_COLUMNS)))
    controls = {*CONTROL_NAMES, observed.roles.control}
    found = read_prediction(predicted, columns, controls=controls, known=observed.members)
    return found.cells.labels
