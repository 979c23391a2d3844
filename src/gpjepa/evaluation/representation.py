"""The representation axis: what an embedding of the observed cells is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import CONTROL_NAMES
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.roles import PERTURBATION_COLUMNS
from gpjepa.evaluation.contenders import subsample
from gpjepa.evaluation.embedding_space import replicate_overlap
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.population import Population
from gpjepa.evaluation.prediction import read_prediction
from gpjepa.evaluation.reference_spaces import PCA, Space, reference_spaces
from gpjepa.evaluation.representation_rows import (
    NAN,
    OURS,
    Row,
    absent_rows,
    cell_type_rows,
    collapse_rows,
    overlap_row,
    similarity_rows,
)

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

    from gpjepa.evaluation.pair import EvaluationPair

KEYS = ("X_embedding", "X_gpjepa")
MOST_CELLS = 2000  # of which neighbourhoods and clusters are computed
MOST_OF_A_LABEL = 400  # cells of which the reference spaces take centroids
FEWEST = 3  # cells without which there are no neighbours

REPRESENTATION_METRICS = (
    Metric("knn_accuracy", 1.0, 0.0, "higher", "cell types by 15 neighbours, 5 folds"),
    Metric("avg_bio_best", 1.0, 0.0, "higher", "AvgBIO, Leiden resolution chosen by labels"),
    Metric("avg_bio_fixed", 1.0, 0.0, "higher", "AvgBIO, Leiden resolution 1"),
    Metric("neighbourhood_overlap", 1.0, 0.0, "higher", "15 neighbours shared with expression"),
    Metric("held_out_similarity", 1.0, -1.0, "higher", "cosine of centroid shifts, latent"),
    Metric("effective_rank", 1.0, 0.0, "higher", "effective rank over that of PCA"),
    Metric("collapsed_dimensions", 0.0, 1.0, "lower", "share of dimensions without spread"),
)


def score_representation(
    predicted: AnnData, observed: AnnData, pair: EvaluationPair, seed: int
) -> DataFrame | None:
    """Score the embeddings in obsm of both sides; None when the observed cells have none.

    Columns metric, perturbation, value, low, high, floor, ceiling, skill, n, model and note.
    `model` is empty for what is evaluated and names a reference for the same in a space fitted to
    the observed cells: principal components, variable genes, a multinomial mixture, scVI. Without
    annotated types AvgBIO is one NaN row that notes it. A NaN among the embeddings makes every
    value NaN, which counts as the worst.
    """
    import pandas

    embedding = find_embedding(observed)
    if embedding is None:
        return None
    data = _on_the_pairs_terms(read(observed, announce=False), pair)
    guess = find_embedding(predicted)
    if not np.isfinite(embedding).all() or len(embedding) < FEWEST:
        note = "the embedding holds NaN" if len(embedding) >= FEWEST else "too few cells"
        rows = [
            Row(metric.name, "all", NAN, n=data.n_cells, note=note)
            for metric in REPRESENTATION_METRICS
        ]
    else:
        spaces = fitted_spaces(data, pair.target, seed)
        rows = cell_rows(embedding, data, pair.target, seed, spaces)
        if guess is not None and guess.shape[1] == embedding.shape[1]:
            labels = _predicted_labels(predicted, data)
            shifts = (guess, labels, embedding, data.labels, pair.perturbations, seed)
            rows += similarity_rows(OURS, *shifts)
            rows += _reference_shifts(spaces, data, pair, seed)
    columns = (*Row.__dataclass_fields__, "skill")
    records = [{name: getattr(row, name) for name in columns} for row in rows]
    return pandas.DataFrame.from_records(records, columns=columns)


def find_embedding(adata: AnnData) -> np.ndarray | None:
    """Return the cells' embedding [B, D] from obsm, None when there is none."""
    for key in KEYS:
        if key in adata.obsm:
            return np.asarray(adata.obsm[key], dtype=np.float64)
    return None


def fitted_spaces(data: PerturbSeq, target: float, seed: int) -> tuple[Space, ...]:
    """Fit the reference spaces to at most `MOST_CELLS` of the cells."""
    cells = data.subset(_chosen(data, seed))
    return reference_spaces(cells.counts, cells.library, target, seed)


def cell_rows(
    embedding: np.ndarray,
    data: PerturbSeq,
    target: float,
    seed: int,
    spaces: tuple[Space, ...] | None = None,
) -> list[Row]:
    """Score the embedding of observed cells, on at most `MOST_CELLS` of them, beside references."""
    chosen = _chosen(data, seed)
    cells = data.subset(chosen)
    fitted = fitted_spaces(data, target, seed) if spaces is None else spaces
    references = {space.name: space.embed(cells.counts, cells.library) for space in fitted}
    everything = {OURS: embedding[chosen], **references}
    expression = references[PCA]
    rng = numpy_stream(seed, "halves of counts")
    split = replicate_overlap(cells.counts, cells.library, target, rng)
    return [
        *collapse_rows(embedding, expression),
        *(
            overlap_row(name, space, expression, split)
            for name, space in everything.items()
            if name != PCA
        ),
        *absent_rows(),
        *cell_type_rows(everything, cells, seed),
    ]


def _chosen(data: PerturbSeq, seed: int) -> np.ndarray:
    rng = numpy_stream(seed, "representation")
    return np.sort(rng.permutation(data.n_cells)[:MOST_CELLS])


def _reference_shifts(
    spaces: tuple[Space, ...], data: PerturbSeq, pair: EvaluationPair, seed: int
) -> list[Row]:
    """Compare the predicted with the observed cells in the reference spaces, some of each label."""
    rng = numpy_stream(seed, "reference shifts")
    sides = []
    for side in (pair.predicted, Population(data.counts, data.library, data.labels)):
        kept = [subsample(side.of(label), MOST_OF_A_LABEL, rng) for label in sorted({*side.labels})]
        sides.append(kept)
    rows: list[Row] = []
    for space in spaces:
        guess, own = (
            np.concatenate([space.embed(part.counts, part.library) for part in side])
            for side in sides
        )
        labels = [np.concatenate([part.labels for part in side]) for side in sides]
        shifts = (guess, labels[0], own, labels[1], pair.perturbations, seed)
        rows += similarity_rows(space.name, *shifts)
    return rows


def _on_the_pairs_terms(data: PerturbSeq, pair: EvaluationPair) -> PerturbSeq:
    """Return the observed cells with the libraries that the pair was found to share."""
    if pair.has_rest or not data.has_rest:
        return data
    panel = np.asarray(data.counts.sum(axis=1), dtype=np.float64).ravel()
    return replace(data, library=panel, has_rest=False)


def _predicted_labels(predicted: AnnData, observed: PerturbSeq) -> np.ndarray:
    """Return the canonical labels of the predicted cells, in their order."""
    columns = tuple(dict.fromkeys((observed.roles.perturbation, *PERTURBATION_COLUMNS)))
    controls = {*CONTROL_NAMES, observed.roles.control}
    found = read_prediction(predicted, columns, controls=controls, known=observed.members)
    return found.cells.labels
