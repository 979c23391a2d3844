"""Ranked interactions as tables: one row per combination, and one per combination and gene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.api.interaction_ranking import Ranked
from gpjepa.api.interactions import not_measured_alone
from gpjepa.api.populations import Start
from gpjepa.core.files import write_atomic

if TYPE_CHECKING:
    from pandas import DataFrame

NAMED = 5  # genes named per combination in the ranked list
DIGITS = "%.6g"
BLOCK = 100  # combinations written at once
MOST_ROWS = 250_000  # of the file by gene, some 30 MB
FEWEST_GENES = 20  # per combination, however many there are


def pairs_path(out: Path) -> Path:
    """Return where the list of combinations goes: gi.pairs.csv beside gi.csv."""
    return out.with_name(f"{out.stem}.pairs{out.suffix or '.csv'}")


def genes_each(combinations: int, genes: int, asked: int | None) -> int:
    """Return how many genes of each combination are written.

    As many as were asked for; else all of them as long as they make no more than `MOST_ROWS`
    rows, but `FEWEST_GENES` in any case.
    """
    wanted = max(FEWEST_GENES, MOST_ROWS // max(combinations, 1)) if asked is None else asked
    return min(genes, wanted)


def records(start: Start, ranked: Ranked, measured: frozenset[str] | None) -> list[dict[str, Any]]:
    """Return one record per combination, best first; `measured` None where it is not known."""
    genes = np.array(start.bundle.panel.names, dtype=object)[ranked.genes]
    combined = ranked.combined
    beyond = (np.abs(combined.interaction) > ranked.wide).sum(axis=1)
    return [
        {
            "rank": row + 1,
            "perturbation": label,
            "measured": _is_measured(label, measured),
            "not_measured_alone": ";".join(not_measured_alone(start, label)),
            "strength": float(ranked.strength[row]),
            "interaction_size": float(ranked.size[row]),
            "half_width": float(ranked.half[row]),
            "genes_beyond": int(beyond[row]),
            "class": ranked.names[row],
            "effect_size": _size(combined.effect[row]),
            "additive_size": _size(combined.additive[row]),
            "novelty": ranked.novelty[row],
            "verdict": ranked.verdicts[row],
            "top_genes": _strongest(genes, combined.interaction[row]),
        }
        for row, label in enumerate(combined.labels)
    ]


def gene_table(
    start: Start, ranked: Ranked, measured: frozenset[str] | None, rows: slice, width: int
) -> DataFrame:
    """Return the `width` genes that interact most, of each combination at `rows`."""
    import pandas

    combined, labels = ranked.combined, ranked.combined.labels[rows]
    genes = np.array(start.bundle.panel.names, dtype=object)[ranked.genes]
    order = np.argsort(-np.abs(combined.interaction[rows]), axis=1, kind="stable")[:, :width]
    middle = np.take_along_axis(combined.interaction[rows], order, axis=1)
    half = np.take_along_axis(ranked.wide[rows], order, axis=1)

    def each(values: Sequence[Any]) -> np.ndarray:
        return np.repeat(np.array(values, dtype=object), width)

    def picked(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values[rows], order, axis=1).ravel()

    return pandas.DataFrame(
        {
            "perturbation": each(labels),
            "gene": genes[order].ravel(),
            "interaction": middle.ravel(),
            "low": (middle - half).ravel(),
            "high": (middle + half).ravel(),
            "class": each(ranked.names[rows]),
            "measured": each([_is_measured(label, measured) for label in labels]),
            "rank": each(range(1, len(ranked.names) + 1)[rows]),
            "strength": np.repeat(ranked.strength[rows], width),
            "effect": picked(combined.effect),
            "additive": picked(combined.additive),
            "not_measured_alone": each([";".join(not_measured_alone(start, x)) for x in labels]),
            "novelty": np.repeat(ranked.novelty[rows], width),
            "verdict": each(ranked.verdicts[rows]),
        }
    )


def write(
    out: Path,
    start: Start,
    ranked: Ranked,
    measured: frozenset[str] | None,
    told: list[dict[str, Any]],
    width: int,
) -> None:
    """Write both files; that of genes in blocks, as it may not fit into memory."""
    import pandas

    def genes(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            for first in range(0, len(ranked.names), BLOCK):
                rows = slice(first, first + BLOCK)
                part = gene_table(start, ranked, measured, rows, width)
                part.to_csv(file, index=False, header=first == 0, float_format=DIGITS)

    def pairs(path: Path) -> None:
        pandas.DataFrame(told).to_csv(path, index=False, float_format=DIGITS)

    write_atomic(out, genes)
    write_atomic(pairs_path(out), pairs)


def _size(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def _is_measured(label: str, measured: frozenset[str] | None) -> bool | None:
    return None if measured is None else label in measured


def _strongest(genes: np.ndarray, interaction: np.ndarray) -> str:
    order = np.argsort(-np.abs(interaction), kind="stable")[:NAMED]
    return ";".join(f"{genes[i]} {interaction[i]:+.2f}" for i in order)
