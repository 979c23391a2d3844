"""The simulation split of GEARS (Roohani, Huang and Leskovec 2023), on canonical labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.data.schemes import Draw, drawn, genes_of, is_combination


@dataclass(frozen=True)
class _Recipe:
    """One application of the recipe: what stays, what is held out, and the genes T seen."""

    kept: list[str]
    held_out: list[str]
    seen: set[str]


def gears(labels: Sequence[str], seed: int, fraction: float = 0.25) -> Draw:
    """Hold out a fraction of the genes, and of the combinations within the others.

    The recipe runs twice, the second time on what the first keeps and with a tenth, for
    validation. Each run starts numpy's legacy generator anew from `seed` for the genes and again
    for the combinations, as published, so that the genes drawn are those of GEARS. Combinations
    are drawn from the sorted canonical labels: files that write B+A get other ones than there.
    Source: Roohani et al., Nature Biotechnology 2023, methods; gears 0.1 `simulation` split.
    """
    first = _recipe(labels, seed, 1.0 - fraction)
    second = _recipe(first.kept, seed, 0.9)
    return drawn(second.kept, second.held_out, first.held_out, first.seen)


def _recipe(labels: Collection[str], seed: int, share: float) -> _Recipe:
    genes = sorted(genes_of(labels))
    seen = set(_legacy_choice(genes, int(len(genes) * share), seed))
    within = sorted(
        label for label in labels if is_combination(label) and seen.issuperset(members_of(label))
    )
    kept = set(_legacy_choice(within, int(len(within) * share), seed))
    kept |= {label for label in labels if not is_combination(label) and label in seen}
    return _Recipe(sorted(kept), sorted(set(labels) - kept), seen)


def _legacy_choice(names: Sequence[str], count: int, seed: int) -> list[str]:
    """Draw without replacement as numpy's legacy `choice` does after seeding."""
    if count == 0:
        return []
    stream = np.random.RandomState(seed % 2**32)
    return [names[int(index)] for index in stream.choice(len(names), count, replace=False)]
