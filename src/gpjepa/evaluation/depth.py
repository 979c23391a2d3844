"""Depth robustness: are shallow cells found where their deep selves would be?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas
from scipy import sparse

from gpjepa.core.random import numpy_stream
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.embedding_space import NEIGHBOURS
from gpjepa.evaluation.equalise import thin
from gpjepa.evaluation.metric import Metric
from gpjepa.evaluation.reference_spaces import (
    HVG,
    MIXTURE,
    PCA,
    mixture_space,
    principal_space,
    variable_space,
)
from gpjepa.evaluation.report_table import ALL, COLUMNS

if TYPE_CHECKING:
    from gpjepa.evaluation.reference_spaces import Space

SHARES = (1.0, 0.5, 0.25, 0.1)  # of a query's counts that are kept
MOST_TRAINING, MOST_QUERIES = 2000, 500

DEPTH_METRICS = tuple(
    Metric(f"{name}_{100 * share:.0f}", 1.0, 0.0, "higher", f"{what} at {share:.0%} of the counts")
    for name, what in (
        ("depth_overlap", "neighbours shared with the full cell's in expression,"),
        ("depth_knn", "cell types by 15 full-depth training cells,"),
    )
    for share in SHARES
)

EmbedCells = Callable[[PerturbSeq], np.ndarray]


def depth_rows(
    embed: EmbedCells,
    training: PerturbSeq,
    queries: PerturbSeq,
    target: float,
    name: str,
    seed: int,
) -> pandas.DataFrame:
    """Thin queries to a half, a quarter and a tenth and look them up among full training cells.

    `depth_overlap` is the share of a thinned query's 15 nearest training cells that are also
    nearest to the whole query by principal components: a fixed truth, so that a collapsed
    embedding cannot agree with itself. `depth_knn` is the accuracy of the cell type that the 15
    vote for, where types are annotated. Beside the embedding stand principal components, variable
    genes and a multinomial mixture, fitted to the training cells. Rows are those of the
    representation axis; the floor is chance.
    """
    rng = numpy_stream(seed, "depth")
    training, queries = _some(training, MOST_TRAINING, rng), _some(queries, MOST_QUERIES, rng)
    spaces: dict[str, EmbedCells] = {name: embed}
    for space in (
        principal_space(training.counts, training.library, target, seed),
        variable_space(training.counts, training.library, target),
        mixture_space(training.counts, seed),
    ):
        spaces[space.name] = _of_cells(space)
    thinned = [queries if share == 1.0 else thin_cells(queries, share, rng) for share in SHARES]
    truth = nearest(spaces[PCA](training), spaces[PCA](queries))
    rows: list[dict[str, object]] = []
    for model in (name, PCA, HVG, MIXTURE):
        known = spaces[model](training)
        for share, cells in zip(SHARES, thinned, strict=True):
            found = nearest(known, spaces[model](cells))
            rows += _rows(f"{100 * share:.0f}", model, found, truth, training, queries)
    frame = pandas.DataFrame(rows).reindex(columns=list(COLUMNS))
    return frame.assign(axis="representation", perturbation=ALL, undefined=0)


def thin_cells(cells: PerturbSeq, share: float, rng: np.random.Generator) -> PerturbSeq:
    """Return the cells with each count kept with probability `share`, the unseen rest included."""
    panel = np.asarray(cells.counts.sum(axis=1), dtype=np.float64).ravel()
    counts = thin(cells.counts.toarray(), share, rng)
    rest = np.rint(np.maximum(cells.library - panel, 0.0)).astype(np.int64)
    library = counts.sum(axis=1) + rng.binomial(rest, share)
    kept = sparse.csr_matrix(counts.astype(np.float32))
    return replace(cells, counts=kept, library=library.astype(np.float64))


def nearest(known: np.ndarray, queries: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """Return the indices [B, count] of each query's nearest known cells, by Euclidean distance."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=min(count, len(known))).fit(known)
    found: np.ndarray = index.kneighbors(queries, return_distance=False)
    return found


def _of_cells(space: Space) -> EmbedCells:
    return lambda cells: space.embed(cells.counts, cells.library)


def _some(cells: PerturbSeq, most: int, rng: np.random.Generator) -> PerturbSeq:
    return cells.subset(np.sort(rng.permutation(cells.n_cells)[:most]))


def _rows(
    share: str,
    model: str,
    found: np.ndarray,
    truth: np.ndarray,
    training: PerturbSeq,
    queries: PerturbSeq,
) -> Iterator[dict[str, object]]:
    width, count = found.shape[1], len(found)
    both = np.sort(np.concatenate([found, truth], axis=1), axis=1)
    shared = (both[:, 1:] == both[:, :-1]).sum(axis=1) / width
    yield _row(f"depth_overlap_{share}", model, shared, width / training.n_cells, count)
    if training.cell_type is None or queries.cell_type is None:
        return
    types, codes = np.unique(training.cell_type.astype(str), return_inverse=True)
    votes = np.stack([(codes[found] == code).sum(1) for code in range(len(types))], axis=1)
    right = types[votes.argmax(1)] == queries.cell_type.astype(str)
    common = float(np.bincount(codes).max() / len(codes))
    yield _row(f"depth_knn_{share}", model, right.astype(float), common, count)


def _row(
    metric: str, model: str, values: np.ndarray, floor: float, count: int
) -> dict[str, object]:
    value = float(values.mean())
    error = 1.96 * float(values.std(ddof=1)) / np.sqrt(count) if count > 1 else np.nan
    return {
        "metric": metric,
        "model": model,
        "value": value,
        "low": value - error,
        "high": value + error,
        "floor": floor,
        "ceiling": 1.0,
        "skill": (value - floor) / (1.0 - floor) if floor < 1.0 else np.nan,
        "n": count,
    }
