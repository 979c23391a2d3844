"""Fitting the composition on effect tables without cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpjepa.compose.composer import Composer
from gpjepa.compose.firsts import fit_relations
from gpjepa.compose.members import Alone
from gpjepa.compose.priors import make_priors
from gpjepa.compose.spread import fit_lone_spread, fit_spread
from gpjepa.compose.stack import Stack, fit_stack
from gpjepa.compose.trust import fit_gain
from gpjepa.core.errors import DataError, VocabularyError, first_line
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.given_features import given_tables
from gpjepa.data.labels import CONTROL, has_separator, members_of, parse_label
from gpjepa.evaluation.effect_table import EffectTable

if TYPE_CHECKING:
    from pandas import DataFrame

MOST = 2000  # singles that relations between genes are built on: time grows with their cube


def fit(
    single_effects: np.ndarray | DataFrame,
    double_effects: np.ndarray | DataFrame | None,
    single_labels: Sequence[str],
    double_labels: Sequence[str] | None,
    features: GeneFeatures | DataFrame | None = None,
    seed: int = 0,
) -> Composer:
    """Learn from measured effects how effects combine.

    Effects are [conditions x genes] in any unit in which doing nothing is 0; predictions come in
    the same unit. The doubles (larger sets are welcome) may be few or none (empty, or None):
    without any, the prediction is the denoised sum, and `notes` says so. `features` describe genes
    (one row per gene, indexed by symbol) for members that were never measured alone; what the
    package knows of human genes (sets, families, expression) is used beside them, and alone for
    None. Of more than 2,000 singles the strongest 2,000 relate genes to each other. `seed` only
    decides which doubles are left out together when candidates are compared; the order of rows has
    no part in it. Intervals need doubles left out, and N of them support levels up to N / (N + 1);
    below that they are NaN.

    Raises:
        DataError: shapes disagree, a value is no finite number, all are 0, a label repeats, or
            there is no single.
        VocabularyError: a label is empty, missing, the control, or names a member twice; one of
            the doubles reads as a single perturbation.
    """
    doubles = np.zeros((0, 0)) if double_effects is None else double_effects
    pairs = () if double_labels is None else double_labels
    table, genes = _table(single_effects, doubles, single_labels, pairs)
    return fit_table(table, genes, _features(features), seed)


def fit_table(
    table: EffectTable,
    genes: tuple[str, ...] | None,
    features: GeneFeatures | None,
    seed: int,
    denoised: np.ndarray | None = None,
) -> Composer:
    """Learn from a table of singles and combinations; raise `DataError` without any single.

    Genes never measured are predicted from `denoised` effects, rows as in the table, where given.
    """
    singles = tuple(label for label in table.labels if len(members_of(label)) == 1)
    if not singles:
        raise DataError(
            "no single perturbation among the labels; expected effects of genes alone; pass them "
            "as single_effects and single_labels"
        )
    effects = table.effects[[table.row[name] for name in singles]]
    strong = _strongest(effects)
    priors = make_priors([singles[row] for row in strong], features)
    rows = priors.rows(singles)
    alone = Alone(singles, effects, rows, np.ones(len(singles), dtype=bool))
    stack = fit_stack(table, alone, seed)
    told = table.effects if denoised is None else denoised
    related = told[[table.row[name] for name in priors.basis]]
    views = priors.views(priors.basis)
    relations = fit_relations(related, views)
    lone = fit_lone_spread(relations, views, relations.errors + effects[strong] - related)
    notes = (*_told(table, stack), *priors.notes())
    spread, departing = fit_spread(stack, alone), fit_spread(stack, alone, departure=True)
    gain = fit_gain(stack, alone)
    return Composer(
        alone,
        stack,
        relations,
        priors,
        genes,
        notes,
        spread,
        departing,
        lone,
        gain,
        frozenset(table.labels),
    )


def _strongest(effects: np.ndarray) -> np.ndarray:
    """Return the rows of the `MOST` largest effects, in their order: others tell little."""
    size = np.linalg.norm(effects, axis=1)
    return np.sort(np.argsort(-size, kind="stable")[:MOST])


def _told(table: EffectTable, stack: Stack) -> tuple[str, ...]:
    """Say what the composition was learned from."""
    count = len(table.pairs.rows)
    other = sum(len(members_of(label)) > 1 for label in table.labels) - count
    notes = []
    if not count:
        notes.append("no double with both singles: the denoised sum of the members")
    elif stack.held_out is None:
        notes.append(f"{count} doubles are too few to learn interactions from: a rescaled sum")
    else:
        shares = [
            f"{name} {weight:.2f}"
            for name, weight in zip(stack.names, stack.weights, strict=True)
            if weight >= 0.005
        ]
        notes.append(f"weights by cross-validation of {count} doubles: {'; '.join(shares)}")
    if other:
        notes.append(f"{other} combinations without every single, or larger, shape directions only")
    return tuple(notes)


def _table(
    single_effects: np.ndarray | DataFrame,
    double_effects: np.ndarray | DataFrame,
    single_labels: Sequence[str],
    double_labels: Sequence[str],
) -> tuple[EffectTable, tuple[str, ...] | None]:
    """Return one table of all effects, labels canonical, and the columns' names."""
    names: tuple[str, ...] | None = None
    parts: list[np.ndarray] = []
    for kind, effects, labels in (
        ("single", single_effects, single_labels),
        ("double", double_effects, double_labels),
    ):
        values = _values(kind, effects)
        if not len(labels) and not values.size:
            continue
        if values.ndim != 2 or len(values) != len(labels):
            raise DataError(
                f"{kind}_effects have shape {values.shape} for {len(labels)} labels; expected one "
                "row per label; pass [conditions x genes]"
            )
        columns = getattr(effects, "columns", None)
        told = None if columns is None else tuple(str(column) for column in columns)
        if parts and (values.shape[1] != parts[0].shape[1] or (names and told and names != told)):
            raise DataError(
                "single_effects and double_effects differ in their columns; expected the same "
                "genes in the same order; select and order them alike"
            )
        names = names or told
        parts.append(values)
    if not parts:
        raise DataError("no effects were given; expected at least one single; pass single_effects")
    labels = _labels(single_labels, double_labels)
    effects = np.concatenate(parts)
    if not effects.any():
        raise DataError(
            f"all effects are 0 ({effects.shape[0]} labels, {effects.shape[1]} genes); expected "
            "differences from doing nothing; check how they were computed"
        )
    return EffectTable(labels, effects), names


def _values(kind: str, effects: np.ndarray | DataFrame) -> np.ndarray:
    """Return effects as float64; sparse ones are welcome."""
    dense = effects.toarray() if hasattr(effects, "toarray") else effects
    try:
        return np.asarray(dense, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{kind}_effects are not numbers ({first_line(error)}); expected [conditions x genes]; "
            "drop columns of text and convert the others"
        ) from error


def _labels(single_labels: Sequence[str], double_labels: Sequence[str]) -> tuple[str, ...]:
    """Return canonical labels, singles first; refuse the control, and a double that is none."""
    texts = [_text(label) for label in [*single_labels, *double_labels]]
    alone = len(single_labels)
    known = frozenset(texts[:alone])
    labels = tuple(parse_label(text, known=known) for text in texts)
    if CONTROL in labels:
        raise VocabularyError(
            "the control is among the labels; expected perturbations; drop its row"
        )
    for given, label in zip(texts[alone:], labels[alone:], strict=True):
        if len(members_of(label)) == 1 and not has_separator(given):
            raise VocabularyError(
                f"label {given!r} of a double names one perturbation; expected members joined by "
                "'+', or by '_' where each is the label of a single as it stands; write 'A+B', or "
                "pass it among the singles"
            )
    return labels


def _text(label: Any) -> Any:
    """Return a number as text, and all else, which `parse_label` judges, as it is."""
    return str(label) if isinstance(label, (int, np.integer)) else label


def _features(features: GeneFeatures | DataFrame | None) -> GeneFeatures | None:
    if features is None or isinstance(features, GeneFeatures):
        return features
    return given_tables(features)[0]
