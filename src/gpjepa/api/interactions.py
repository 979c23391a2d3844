"""What a fitted model says of combinations beyond the sum of their members."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gpjepa.api.answers import MEAN_CELLS, averaged_over, canonical, effect_matrix
from gpjepa.api.estimates import estimate, taken_from
from gpjepa.api.populations import Start
from gpjepa.core.errors import VocabularyError
from gpjepa.data.labels import members_of
from gpjepa.evaluation.interaction_naming import NO_CLASS, name_pairs
from gpjepa.inference.error_bars import error_bars
from gpjepa.inference.error_model import normal, require_level
from gpjepa.inference.means import ROWS, control_shares, decoded_by_order
from gpjepa.inference.naming import drawing

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_GENES = 300  # behind a class: the gated genes that controls express most
NOT_KEPT = 0.6  # of the variance of a sum's sampling error, on simulated cells of seeds from 100
SUBSETS = 10_000  # pairs of genes behind the fit of a class
Watch = Callable[[int, int], None]  # combinations done, of how many


@dataclass(frozen=True, eq=False)
class Combined:
    """Effects of combinations [K, G] in log1p pseudobulk units.

    `effect` is the prediction, `interaction` what the pair shifts Δ₂ add to it, `singles` the
    effects of the members by name, `additive` their sum. A composition of measured effects says
    itself what members do alone and beyond, on the genes that it was fitted on.
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

    Averaged over at most `cells` control cells, which are encoded once; many combinations run
    through the predictor together. A predictor of the form "free" has no Δ₂: there the
    interaction is the departure of the effect from the sum of the members' effects, and so it is
    where effects of responders are composed.
    """
    few = averaged_over(start, seed, cells)
    model = start.bundle.model
    kept = np.arange(model.decoder.genes) if genes is None else genes
    control = torch.log1p(start.target * control_shares(model, few.controls, start.offset))
    members = sorted({member for label in labels for member in members_of(label)})
    alone = effect_matrix(start, members, seed, cells)[:, kept]
    singles = dict(zip(members, alone, strict=True))
    effect, interaction = (np.empty((len(labels), len(kept))) for _ in range(2))
    for row, shares in enumerate(_shares(start, few, labels, seed)):
        whole, plain = (torch.log1p(start.target * share) for share in shares)
        effect[row] = (whole - control).double().cpu().numpy()[kept]
        interaction[row] = (whole - plain).double().cpu().numpy()[kept]
        if watch is not None:
            watch(row + 1, len(labels))
    if model.predictor.composition is not None and len(labels):
        _compose(start, labels, interaction, singles, kept)
    additive = [sum(singles[member] for member in members_of(label)) for label in labels]
    total = np.reshape(np.array(additive, dtype=np.float64), effect.shape)
    departs = _departs(start, labels)
    interaction[departs] = (effect - total)[departs]
    return Combined(tuple(labels), effect, interaction, total, singles)


def _departs(start: Start, labels: Sequence[str]) -> np.ndarray:
    """Mark [K] the combinations whose interaction is their departure from the sum."""
    model = start.bundle.model
    if model.predictor.form == "free" or model.responders is None or not len(labels):
        return np.full(len(labels), model.predictor.form == "free")
    members = torch.from_numpy(start.bundle.vocabulary.encode(labels)).to(model.device())
    return np.asarray(model.responders.composes(members).cpu().numpy())


@torch.no_grad()
def _compose(
    start: Start,
    labels: Sequence[str],
    interaction: np.ndarray,
    singles: dict[str, np.ndarray],
    kept: np.ndarray,
) -> None:
    """Replace interactions [K, G] and singles [G] by what the composition says, in place.

    Δ₂ brings the decoded sum to the composed effect, so that it also makes up for members that
    the transformer fits badly: decoded, that would be taken for an interaction.
    """
    composition, vocabulary = start.bundle.model.predictor.composition, start.bundle.vocabulary
    assert composition is not None
    device = start.bundle.model.device()
    members = torch.from_numpy(vocabulary.encode(labels)).to(device)
    rows = composition.composes(members).cpu().numpy()
    column = np.full(start.bundle.model.decoder.genes, -1)
    column[composition.genes.cpu().numpy()] = np.arange(len(composition.genes))
    known = np.flatnonzero(column[kept] >= 0)
    at = column[kept][known]
    departure = composition.departure(members).double().cpu().numpy()
    interaction[np.ix_(rows, known)] = departure[np.ix_(rows, at)]
    composed = {
        member
        for label, there in zip(labels, rows, strict=True)
        for member in members_of(label)
        if there
    }
    for name in sorted(composed):
        alone = torch.from_numpy(vocabulary.encode([name])).to(device)
        singles[name] = singles[name].copy()
        singles[name][known] = composition.own_effects(alone).double().cpu().numpy()[0, at]


@torch.no_grad()
def _shares(
    start: Start, few: Start, labels: Sequence[str], seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the shares of each combination with and without Δ₂, predicted in batches."""
    model, cells = start.bundle.model, len(few.cells)
    width = max(1, ROWS // cells)
    for first in range(0, len(labels), width):
        part = labels[first : first + width]
        index = np.tile(np.arange(cells), len(part))
        condition = few.condition([label for label in part for _ in range(cells)], index)
        prediction = model.predict(few.controls.state.repeat(len(part), 1), condition)
        for place, label in enumerate(part):
            own = prediction.rows(torch.arange(cells, device=model.device()) + place * cells)
            with drawing(label):
                rows = condition.members[place * cells : (place + 1) * cells]
                found = decoded_by_order(model, few.controls, own, rows, seed, start.offset)
            yield found


def gated(start: Start) -> np.ndarray:
    """Return the positions of the genes that classes and strengths are judged on.

    Mean count of at least .1 in the control cells, and perturbed by no training perturbation;
    where fewer than three genes pass, all count.
    """
    passed = np.flatnonzero(start.expressed())
    return passed if len(passed) >= 3 else np.arange(len(start.bundle.panel.names))


def most_expressed(start: Start, genes: np.ndarray) -> np.ndarray:
    """Return which of the positions `genes` controls express most, at most 300, in order."""
    total = np.asarray(start.cells.table.counts.sum(axis=0), dtype=np.float64).ravel()[genes]
    return np.sort(np.argsort(-total, kind="stable")[:MOST_GENES])


def classes(combined: Combined, columns: np.ndarray) -> list[str]:
    """Return the class of each pair from the genes at `columns`; empty for larger sets.

    The double is the sum of the members and the interaction, all three in effects.
    """
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
    interaction = combined.interaction[own]
    found = name_pairs(singles, combined.additive[own] + interaction, interaction, SUBSETS)
    for row, name in zip(pairs, found, strict=True):
        names[row] = name
    return names


def answered(start: Start, combined: Combined, genes: np.ndarray) -> Combined:
    """Return combinations with the effects, at `genes`, of the source that validation prefers."""
    effect = np.zeros((len(combined.labels), len(start.bundle.panel.names)))
    effect[:, genes] = combined.effect
    return replace(combined, effect=taken_from(start, combined.labels, effect)[:, genes])


def half_widths(
    start: Start, combined: Combined, level: float, genes: np.ndarray | None = None
) -> np.ndarray:
    """Return half the interval of each interaction [K, G], for the interaction itself.

    The departure of an effect from the sum of measured ones errs as the effect does, and by the
    sampling error of that sum as far as the effect does not keep it (`NOT_KEPT` of its variance).
    Effects of `combined` are at `genes`, None for all. Raises `ConfigError` for a level outside
    (0, 1).
    """
    bundle, width = start.bundle, len(start.bundle.panel.names)
    kept = np.arange(width) if genes is None else genes
    effect = np.zeros((len(combined.labels), width))
    effect[:, kept] = combined.effect
    calibration = bundle.calibration
    bars = error_bars(bundle.model, bundle.vocabulary, calibration, combined.labels, effect)
    half = bars.half_widths(calibration, level)[:, kept]
    if calibration.evidence is None:
        return half
    noise = np.nan_to_num(calibration.evidence.error_of_sums(combined.labels))[:, kept]
    return np.asarray(np.sqrt(half**2 + normal().quantile(level) ** 2 * NOT_KEPT * noise))


def not_measured_alone(start: Start, label: str) -> tuple[str, ...]:
    """Return the members of a label without training cells in which they act alone."""
    vocabulary = start.bundle.vocabulary
    together = vocabulary.in_combination_only
    return tuple(
        member
        for member in members_of(label)
        if not vocabulary.is_measured(member) or member in together
    )


def interaction_table(
    start: Start, labels: Sequence[str] | str, level: float, seed: int
) -> DataFrame:
    """Return interactions with intervals and class, one row per combination and gene."""
    import pandas

    require_level(level)
    combined = combine(start, combinations_of(start, labels), seed)
    told = estimate(start, combined.labels, combined.effect)
    combined = replace(combined, effect=told.effects)
    wide = half_widths(start, combined, level).ravel()
    chosen = gated(start)
    names = classes(combined, chosen[most_expressed(start, chosen)])
    genes = np.array(start.bundle.panel.names, dtype=object)
    width = len(genes)
    middle = combined.interaction.ravel()
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
            "novelty": np.repeat(told.novelty, width),
            "verdict": np.repeat(np.array(told.verdicts, dtype=object), width),
            "calibrated": np.repeat(told.bars.calibrated, width),
        }
    )
