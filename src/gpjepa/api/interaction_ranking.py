"""Which combinations interact most, weighed against how much is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.api.estimates import judged
from gpjepa.api.interactions import (
    Combined,
    Watch,
    answered,
    classes,
    combine,
    half_widths,
    most_expressed,
)
from gpjepa.api.populations import Start
from gpjepa.inference.error_model import require_level
from gpjepa.inference.judgement import DO_NOT_TRUST

CELLS = 64  # control cells that an interaction is averaged over


@dataclass(frozen=True, eq=False)
class Ranked:
    """Combinations, best first, on the genes at `genes`; all else is in their order, [K].

    `wide` [K, genes] are half of the intervals. `size` is the root mean square of the interaction
    over these genes, `half` that of `wide` and `strength` their quotient; `names` are classes.
    """

    combined: Combined
    genes: np.ndarray
    wide: np.ndarray
    half: np.ndarray
    size: np.ndarray
    strength: np.ndarray
    names: list[str]
    novelty: list[float]
    verdicts: list[str]


def rank(
    start: Start,
    labels: Sequence[str],
    genes: np.ndarray,
    level: float,
    top: int | None,
    seed: int,
    watch: Watch | None = None,
) -> Ranked:
    """Order combinations by strength, those not to be trusted last, ties by name; keep `top`.

    Strength is size over doubt: intervals are wider where less is known.
    """
    require_level(level)
    novelty, verdicts = judged(start, labels)
    combined = combine(start, labels, seed, genes, CELLS, watch)
    combined = answered(start, combined, genes)
    wide = half_widths(start, combined, level, genes)
    half = np.sqrt((wide**2).mean(axis=1))
    size = np.sqrt((combined.interaction**2).mean(axis=1))
    strength = size / np.maximum(half, np.finfo(float).tiny)
    doubted = np.array([told == DO_NOT_TRUST for told in verdicts])
    order = np.lexsort((np.array(labels, dtype=str), -strength, doubted))[:top]
    kept = Combined(
        tuple(labels[row] for row in order),
        combined.effect[order],
        combined.interaction[order],
        combined.additive[order],
        combined.singles,
    )
    return Ranked(
        kept,
        genes,
        wide[order],
        half[order],
        size[order],
        strength[order],
        classes(kept, most_expressed(start, genes)),
        [novelty[row] for row in order],
        [verdicts[row] for row in order],
    )
