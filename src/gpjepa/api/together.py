"""Predictions and embeddings that several processes share; alone, one makes them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.api.answers import canonical, effect_matrix, population_parts
from gpjepa.api.estimates import estimate
from gpjepa.api.model import GPJEPA
from gpjepa.api.populations import Start, to_anndata
from gpjepa.core.ranks import started_by
from gpjepa.data.cells import Cells
from gpjepa.inference.cells import BATCH
from gpjepa.inference.embed import embed_cells
from gpjepa.inference.respond import Population
from gpjepa.model.encoder import CellEncoder
from gpjepa.training.processes import gathered

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Predicted:
    """Sampled cells, and a record of each perturbation: its novelty and verdict."""

    cells: AnnData
    told: list[dict[str, Any]]


def predicted_together(
    model: GPJEPA, labels: Sequence[str], cells: int, seed: int, modality: str | None
) -> Predicted | None:
    """Sample populations as `GPJEPA.predict` does, each process those of its perturbations.

    Draws are seeded by perturbation, so the cells are those that one process samples. Returns
    them on the first process, None on the others.
    """
    start = Start(model.bundle, model.controls, None, modality, model.controls)
    names = canonical(labels, start)
    mine = names[started_by()[1].rows(len(names)).here]
    found = gathered(_predicted(start, mine, cells, seed) if mine else ([], []))
    if not found:
        return None
    parts = [part for own, _ in found for part in own]
    told = [row for _, own in found for row in own]
    return Predicted(to_anndata(parts, start.cells, start.bundle.panel.names), told)


def _predicted(
    start: Start, names: Sequence[str], cells: int, seed: int
) -> tuple[list[tuple[str, Population]], list[dict[str, Any]]]:
    """Return the populations of some perturbations and what is said of each."""
    parts = population_parts(start, names, cells, seed)
    judged = estimate(start, names, effect_matrix(start, names, seed))
    told = zip(judged.labels, judged.novelty, judged.verdicts, strict=True)
    return parts, [
        {"perturbation": name, "novelty": far, "verdict": word} for name, far, word in told
    ]


def embedded_together(teacher: CellEncoder, cells: Cells) -> np.ndarray | None:
    """Embed cells as `embed_cells` does, each process whole batches of them.

    Returns float32 [cells, D] on the first process, None on the others.
    """
    ranks = started_by()[1]
    if ranks.size == 1:
        return embed_cells(teacher, cells)
    here = ranks.rows(-(-cells.n_cells // BATCH)).times(BATCH).here
    mine = cells.subset(np.arange(cells.n_cells)[here])
    found = gathered(embed_cells(teacher, mine))
    return np.concatenate(found) if found else None
