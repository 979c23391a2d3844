"""The pairs of a run ranked by how much they interact, as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.api.interactions import (
    Combined,
    Watch,
    classes,
    combinations_of,
    combine,
    gated,
    half_widths,
    judged,
    most_expressed,
)
from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RunOptions
from gpjepa.api.populations import Start
from gpjepa.api.run import read_split
from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.core.files import refuse_existing, write_atomic
from gpjepa.data.labels import label_of

if TYPE_CHECKING:
    from pandas import DataFrame

CELLS = 64  # control cells that an interaction is averaged over
NAMED = 5  # genes named per combination in the ranked list
DIGITS = "%.6g"
BLOCK = 100  # combinations written at once


@dataclass(frozen=True, eq=False)
class Ranked:
    """Combinations, the strongest interaction first, on the genes at `genes`.

    `strength` [K] is the root mean square of the interaction over these genes ÷ the half-width
    `half` [K] of its interval; `names` are classes.
    """

    combined: Combined
    genes: np.ndarray
    half: np.ndarray
    strength: np.ndarray
    names: list[str]


def interactions_file(
    run: Path,
    out: Path,
    labels: Sequence[str],
    level: float,
    top: int | None,
    options: RunOptions,
) -> dict[str, Any]:
    """Write the interactions of a run's pairs, ranked, as a table by combination and gene.

    Without `labels` all pairs of members that have training cells, measured together or not;
    `top` keeps the strongest. Returns `combinations`, the ranked list: perturbation, measured
    (None where the run has no split), strength, rank, class, verdict, novelty and top_genes.

    Raises:
        VocabularyError: a label is no combination or has an unknown member, or the run has fewer
            than two members to combine.
        ConfigError: `level` or `top` out of range.
    """
    refuse_existing(out, options.force)
    if top is not None and top < 1:
        raise ConfigError(f"top is {top}; expected 1 or more; leave it out to write every pair")
    model = GPJEPA.load(run, options.device)
    options.apply_threads(len(model.bundle.panel.names))
    start = Start(model.bundle, model.controls, None)
    genes = gated(start)
    asked = combinations_of(start, labels) if labels else all_pairs(model)
    with _watching(options.progress) as watch:
        ranked = rank(start, asked, genes, level, top, options.seed, watch)
    measured = measured_labels(run)
    write_atomic(out, lambda path: _write(path, start, ranked, measured))
    return {
        "out": str(out),
        "pairs": len(asked),
        "written": len(ranked.names),
        "genes": len(ranked.genes),
        "level": level,
        "calibrated": model.bundle.calibration.calibrated,
        "supports_interactions": model.bundle.calibration.supports_interactions,
        "combinations": summary(start, ranked, measured),
    }


def all_pairs(model: GPJEPA) -> tuple[str, ...]:
    """Return all pairs of members with training cells; raise `VocabularyError` for none."""
    vocabulary = model.bundle.vocabulary
    known = vocabulary.members[: vocabulary.measured]
    if len(known) < 2:
        raise VocabularyError(
            f"the run has {len(known)} perturbation(s) with training cells; expected two or more "
            "to combine; train on more, or name combinations"
        )
    return tuple(sorted(label_of(pair) for pair in combinations(known, 2)))


def measured_labels(run: Path) -> frozenset[str] | None:
    """Return the perturbations that the run's data hold, held out or not; None if not recorded."""
    if not (run / "split.json").exists():
        return None
    split = read_split(run)
    return frozenset((*split.train, *split.validation, *split.test))


def rank(
    start: Start,
    labels: Sequence[str],
    genes: np.ndarray,
    level: float,
    top: int | None,
    seed: int,
    watch: Watch | None = None,
) -> Ranked:
    """Order combinations by strength, the strongest first and ties by name; keep `top`."""
    half = half_widths(start, labels, level)
    combined = combine(start, labels, seed, genes, CELLS, watch)
    size = np.sqrt((combined.interaction**2).mean(axis=1))
    strength = size / np.maximum(half, np.finfo(float).tiny)
    order = np.lexsort((np.array(labels, dtype=str), -strength))[:top]
    kept = Combined(
        tuple(labels[row] for row in order),
        combined.effect[order],
        combined.interaction[order],
        combined.additive[order],
        combined.singles,
    )
    names = classes(kept, most_expressed(start, genes))
    return Ranked(kept, genes, half[order], strength[order], names)


def ranked_table(
    start: Start, ranked: Ranked, measured: frozenset[str] | None, rows: slice
) -> DataFrame:
    """Return one row per combination and gene of the combinations at `rows`."""
    import pandas

    labels, width = ranked.combined.labels[rows], len(ranked.genes)
    genes = np.array(start.bundle.panel.names, dtype=object)[ranked.genes]
    middle, half = ranked.combined.interaction[rows], ranked.half[rows, None]
    position = np.arange(1, len(ranked.names) + 1)

    def each(values: Sequence[Any]) -> np.ndarray:
        return np.repeat(np.array(values, dtype=object), width)

    return pandas.DataFrame(
        {
            "perturbation": each(labels),
            "gene": np.tile(genes, len(labels)),
            "interaction": middle.ravel(),
            "low": (middle - half).ravel(),
            "high": (middle + half).ravel(),
            "class": each(ranked.names[rows]),
            "measured": each([_is_measured(label, measured) for label in labels]),
            "rank": np.repeat(position[rows], width),
            "strength": np.repeat(ranked.strength[rows], width),
            "effect": ranked.combined.effect[rows].ravel(),
            "additive": ranked.combined.additive[rows].ravel(),
        }
    )


def _write(path: Path, start: Start, ranked: Ranked, measured: frozenset[str] | None) -> None:
    """Write the table in blocks: as a whole it may not fit into memory."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for first in range(0, len(ranked.names), BLOCK):
            rows = slice(first, first + BLOCK)
            part = ranked_table(start, ranked, measured, rows)
            part.to_csv(file, index=False, header=first == 0, float_format=DIGITS)


def summary(start: Start, ranked: Ranked, measured: frozenset[str] | None) -> list[dict[str, Any]]:
    """Return one record per combination, the strongest first."""
    labels = ranked.combined.labels
    genes = np.array(start.bundle.panel.names, dtype=object)[ranked.genes]
    distance, told = judged(start, labels)
    return [
        {
            "rank": row + 1,
            "perturbation": label,
            "measured": _is_measured(label, measured),
            "strength": float(ranked.strength[row]),
            "class": ranked.names[row],
            "novelty": distance[row],
            "verdict": told[row],
            "top_genes": _strongest(genes, ranked.combined.interaction[row]),
        }
        for row, label in enumerate(labels)
    ]


def _is_measured(label: str, measured: frozenset[str] | None) -> bool | None:
    return None if measured is None else label in measured


def _strongest(genes: np.ndarray, interaction: np.ndarray) -> str:
    order = np.argsort(-np.abs(interaction), kind="stable")[:NAMED]
    return ";".join(f"{genes[i]} {interaction[i]:+.2f}" for i in order)


@contextmanager
def _watching(enabled: bool) -> Iterator[Watch | None]:
    """Draw a bar of the combinations done on stderr."""
    if not enabled:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pairs", total=None)

        def watch(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield watch
