"""What a fitted model says of combinations beyond the sum of their members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpjepa.api.answers import MEAN_CELLS, averaged_over, canonical, effect_matrix
from gpjepa.api.populations import Start
from gpjepa.core.errors import VocabularyError
from gpjepa.data.labels import members_of
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.evaluation.interaction_naming import NO_CLASS, name_pairs
from gpjepa.inference.judgement import novelty, verdict
from gpjepa.inference.means import control_shares, shares_by_order

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_GENES = 500  # behind a class: the gated genes that controls express most
Watch = Callable[[int, int], None]  # combinations done, of how many


@dataclass(frozen=True, eq=False)
class Combined:
    """Effects of combinations [K, G] in log1p pseudobulk units.

    `effect` is the prediction, `interaction` what the pair shifts Δ₂ add to it, `singles` the
    effects of the members by name, `additive` their sum.
    """

    labels: tuple[str, ...]
    effect: np.ndarray
    interaction: np.ndarray
    additive: np.ndarray
    singles: dict[str, np.ndarray]


def combinations_of(start: Start, labels: Sequence[str] | str) -> tuple[str, ...]:
    """Return canonical labels of two members or more.

    Raises `VocabularyError` for a single perturbation, the control, or an unknown member.
    """
    names = canonical(labels, start)
    for name in names:
        if len(members_of(name)) < 2:
            raise VocabularyError(
                f"perturbation {name!r} is no combination; expected two members or more, as only "
                "these interact; pass for example 'A+B', or ask effects() for its effect"
            )
    return names


def combine(
    start: Start,
    labels: Sequence[str],
    seed: int,
    genes: np.ndarray | None = None,
    cells: int = MEAN_CELLS,
    watch: Watch | None = None,
) -> Combined:
    """Predict combinations with and without Δ₂, on the modelled genes or those at `genes`.

    Averaged over at most `cells` control cells, which are encoded once.
    A predictor of the form "free" has no Δ₂: there the interaction is the departure of the
    effect from the sum of the members' effects.
    """
    few = averaged_over(start, seed, cells)
    model, offset = start.bundle.model, start.offset
    kept = np.arange(model.decoder.genes) if genes is None else genes
    control = torch.log1p(start.target * control_shares(model, few.controls, offset))
    members = sorted({member for label in labels for member in members_of(label)})
    alone = effect_matrix(start, members, seed, cells)[:, kept]
    singles = dict(zip(members, alone, strict=True))
    effect, interaction = (np.empty((len(labels), len(kept))) for _ in range(2))
    index = np.arange(len(few.cells))
    for row, label in enumerate(labels):
        condition = few.condition([label] * len(index), index)
        shares = shares_by_order(model, few.controls, condition, seed, offset)
        whole, plain = (torch.log1p(start.target * share) for share in shares)
        effect[row] = (whole - control).double().cpu().numpy()[kept]
        interaction[row] = (whole - plain).double().cpu().numpy()[kept]
        if watch is not None:
            watch(row + 1, len(labels))
    additive = [sum(singles[member] for member in members_of(label)) for label in labels]
    total = np.reshape(np.array(additive, dtype=np.float64), effect.shape)
    if model.predictor.form == "free":
        interaction = effect - total
    return Combined(tuple(labels), effect, interaction, total, singles)


def gated(start: Start) -> np.ndarray:
    """Return the positions of the genes that classes and strengths are judged on.

    Mean count of at least .1 in the control cells, and perturbed by no training perturbation;
    where fewer than three genes pass, all count.
    """
    vocabulary = start.bundle.vocabulary
    names = np.array(start.bundle.panel.names, dtype=object)
    targets = vocabulary.members[: vocabulary.measured]
    passed = np.flatnonzero(expressed_untargeted(start.cells.table.counts, names, targets))
    return passed if len(passed) >= 3 else np.arange(len(names))


def most_expressed(start: Start, genes: np.ndarray) -> np.ndarray:
    """Return which of the positions `genes` controls express most, at most 500, in order."""
    total = np.asarray(start.cells.table.counts.sum(axis=0), dtype=np.float64).ravel()[genes]
    return np.sort(np.argsort(-total, kind="stable")[:MOST_GENES])


def classes(combined: Combined, columns: np.ndarray) -> list[str]:
    """Return the class of each pair from the genes at `columns`; empty for larger sets."""
    pairs = [row for row, label in enumerate(combined.labels) if len(members_of(label)) == 2]
    names = [NO_CLASS] * len(combined.labels)
    if not pairs:
        return names
    singles = np.stack(
        [
            [combined.singles[member][columns] for member in members_of(combined.labels[row])]
            for row in pairs
        ]
    )
    own = np.ix_(np.array(pairs), columns)
    found = name_pairs(singles, combined.effect[own], combined.interaction[own])
    for row, name in zip(pairs, found, strict=True):
        names[row] = name
    return names


def half_widths(start: Start, labels: Sequence[str], level: float) -> np.ndarray:
    """Return the half-width of the interval of each combination's interaction, constant by gene.

    That of effects times √(1 + members).
    """
    half = start.bundle.calibration.half_width(level)
    return half * np.sqrt([1.0 + len(members_of(label)) for label in labels])


def judged(start: Start, labels: Sequence[str]) -> tuple[list[float], list[str]]:
    """Return novelty and verdict of each combination."""
    bundle = start.bundle
    features = bundle.model.condition.features
    distance = [novelty(bundle.vocabulary, features, label) for label in labels]
    told = [
        verdict(bundle.vocabulary, bundle.calibration, label, far)
        for label, far in zip(labels, distance, strict=True)
    ]
    return distance, told


def interaction_table(
    start: Start, labels: Sequence[str] | str, level: float, seed: int
) -> DataFrame:
    """Return interactions with intervals and class, one row per combination and gene."""
    import pandas

    asked = combinations_of(start, labels)
    half = half_widths(start, asked, level)
    combined = combine(start, asked, seed)
    chosen = gated(start)
    names = classes(combined, chosen[most_expressed(start, chosen)])
    distance, told = judged(start, combined.labels)
    genes = np.array(start.bundle.panel.names, dtype=object)
    width = len(genes)
    middle, wide = combined.interaction.ravel(), np.repeat(half, width)
    return pandas.DataFrame(
        {
            "perturbation": np.repeat(np.array(combined.labels, dtype=object), width),
            "gene": np.tile(genes, len(combined.labels)),
            "interaction": middle,
            "low": middle - wide,
            "high": middle + wide,
            "class": np.repeat(np.array(names, dtype=object), width),
            "effect": combined.effect.ravel(),
            "additive": combined.additive.ravel(),
            "departure": (combined.effect - combined.additive).ravel(),
            "novelty": np.repeat(distance, width),
            "verdict": np.repeat(np.array(told, dtype=object), width),
            "calibrated": start.bundle.calibration.calibrated,
        }
    )
