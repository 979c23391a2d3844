"""Classes of genetic interaction: how well predicted doubles find the pairs of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas

from gpjepa.core.errors import DataError
from gpjepa.data.labels import members_of
from gpjepa.data.references import interaction_classes
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.interaction_measures import InteractionMeasures, interaction_measures

SIZE = 10  # pairs that are looked at, those with the highest score
DECIMALS = 6  # scores that differ by less are tied
TRUTH, ADDITIVE, NO_CHANGE = "truth", "additive", "no change"


@dataclass(frozen=True)
class InteractionClass:
    """A class: its name, the published labels in it, and the measure that is extreme in it."""

    name: str
    published: tuple[str, ...]
    measure: str
    highest: bool


CLASSES = (
    InteractionClass("synergy", ("synergy_similar", "synergy_dissimilar"), "magnitude", True),
    InteractionClass("suppression", ("suppressor",), "magnitude", False),
    InteractionClass("neomorphism", ("neomorphic",), "fit_distance_correlation", False),
    InteractionClass("redundancy", ("redundant",), "similarity", True),
    InteractionClass("epistasis", ("epistasis",), "equality", False),
)


def class_scores(measures: InteractionMeasures) -> np.ndarray:
    """Return how much of each class of `CLASSES` the pairs have [C, K]; a NaN has least.

    Synergy is a large magnitude of the fit and suppression a small one; neomorphism a fit that
    resembles the double little; redundancy a double like its singles; epistasis unequal
    contributions. Similarity of the two singles, which also marks redundancy, is no score: it
    is the same whatever is predicted for the double.

    Source: Norman et al. 2019, Fig. 4 and its measures; Roohani et al. 2024 for the measure of
    each class (with Pearson's correlation of the fit, here Norman's distance correlation).
    """
    rows = []
    for kind in CLASSES:
        values = np.round(np.asarray(getattr(measures, kind.measure)), DECIMALS)
        rows.append(np.where(np.isnan(values), -np.inf, values if kind.highest else -values))
    return np.stack(rows)


def precision_at(scores: np.ndarray, positive: np.ndarray, size: int = SIZE) -> float:
    """Return the share of positives among the `size` highest scores, ties in expectation.

    Constant scores get the base rate. What cannot be reached, as more than P of P positives,
    is not made up for: P < `size` allows P / `size` at best.
    """
    positive = np.asarray(positive, dtype=bool)
    size = min(size, scores.size)
    border = np.sort(scores)[-size]
    above, equal = scores > border, scores == border
    found = positive[above].sum() + positive[equal].mean() * (size - above.sum())
    return float(found / size)


def score_classes(
    effects: EffectTable,
    predicted: Mapping[str, np.ndarray],
    labels: Sequence[str],
    published: Mapping[str, str] | None = None,
    singles: Mapping[str, np.ndarray] | None = None,
) -> pandas.DataFrame:
    """Score predicted effects [labels, G] of doubles by model on the published classes.

    `effects` holds the measured singles and doubles on the same genes; `published` maps doubles
    to their class, None for Norman's. Doubles without class or measured singles are left out.
    Rows for "truth" (the measured doubles), "additive" and "no change" come first: hand labels
    are noisy, so that the truth's own score is the ceiling.

    `singles` [labels, 2, G] by model are its own effects of the members, which its doubles are
    then compared with, as in the source; a model without them is compared with the measured
    ones. A prediction is denoised: beside measured singles every weak pair looks neomorphic.

    Columns: class, model, precision (at `SIZE`), share_of_truth, best (that can be reached),
    base_rate, positives, n (pairs).

    Raises:
        DataError: no double is left, or a model's effects do not go with labels and genes.

    Source: Roohani et al. 2024 (GEARS), whose measures relate predicted doubles to predicted
    singles.
    """
    known = interaction_classes() if published is None else published
    use = [i for i, label in enumerate(labels) if label in known and _measured(effects, label)]
    if not use:
        raise DataError(
            f"none of {len(labels)} labels is a double with a class and measured singles; expected "
            "labels as A+B that are in the table of classes; pass other labels"
        )
    chosen = [labels[index] for index in use]
    measured = np.stack([effects.effects[effects.single_rows(label)] for label in chosen])
    genes = measured.shape[2]
    doubles = {
        TRUTH: effects.effects[[effects.row[label] for label in chosen]],
        ADDITIVE: measured.sum(axis=1),
        NO_CHANGE: np.zeros((len(chosen), genes)),
    }
    doubles |= _chosen(predicted, use, (len(labels), genes))
    own = _chosen(singles or {}, use, (len(labels), 2, genes))
    scores = {
        model: class_scores(interaction_measures(own.get(model, measured), values))
        for model, values in doubles.items()
    }
    return _table(scores, np.array([known[label] for label in chosen], dtype=object))


def _measured(effects: EffectTable, label: str) -> bool:
    two = len(members_of(label)) == 2
    return two and label in effects.row and effects.single_rows(label) is not None


def _chosen(
    predicted: Mapping[str, np.ndarray], use: list[int], shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Return the rows `use` of effects by model, all of which have `shape`."""
    for model, values in predicted.items():
        if values.shape != shape:
            raise DataError(
                f"effects predicted by {model!r} have shape {values.shape}; expected {shape}, a "
                "row per label and the genes of the measured effects; reorder or subset them"
            )
    return {model: values[use] for model, values in predicted.items()}


def _table(scores: Mapping[str, np.ndarray], classes: np.ndarray) -> pandas.DataFrame:
    rows = []
    for index, kind in enumerate(CLASSES):
        positive = np.isin(classes.astype(str), kind.published)
        count, size = int(positive.sum()), min(SIZE, positive.size)
        own = {model: precision_at(values[index], positive) for model, values in scores.items()}
        for model, precision in own.items():
            rows.append(
                {
                    "class": kind.name,
                    "model": model,
                    "precision": precision,
                    "share_of_truth": precision / own[TRUTH] if own[TRUTH] > 0 else np.nan,
                    "best": min(count, size) / size,
                    "base_rate": count / positive.size,
                    "positives": count,
                    "n": positive.size,
                }
            )
    return pandas.DataFrame(rows)
