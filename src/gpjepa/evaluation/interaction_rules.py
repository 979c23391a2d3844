"""Interactions that fitted baselines predict: a combination minus their own members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.data.labels import members_of
from gpjepa.evaluation.baselines import EffectBaseline
from gpjepa.evaluation.baselines_linear import Linear, fit_linear
from gpjepa.evaluation.baselines_simple import (
    Additive,
    MatchingMean,
    NoChange,
    TrainingMean,
    fit_scaled_additive,
)
from gpjepa.evaluation.baselines_strong import Strong, fit_parts, leading_directions
from gpjepa.evaluation.effect_scores import ROUNDING
from gpjepa.evaluation.effect_table import EffectTable

if TYPE_CHECKING:
    from gpjepa.data.gene_features import GeneFeatures


def own_interaction(rule: EffectBaseline, labels: Sequence[str]) -> np.ndarray:
    """Return a rule's effects of combinations minus its own of their members, [labels, G].

    Exactly 0 for no change and for the sum; a row is NaN where the rule does not apply.
    """
    singles = sorted({member for label in labels for member in members_of(label)})
    known = dict(zip(singles, rule.effects(singles), strict=True))
    sums = [np.sum([known[member] for member in members_of(label)], axis=0) for label in labels]
    return rounded(rule.effects(labels) - np.reshape(sums, (len(labels), -1)))


def own_singles(rule: EffectBaseline, labels: Sequence[str]) -> np.ndarray:
    """Return a rule's own effects of the two members of each double, [labels, 2, G]."""
    return np.stack([rule.effects(members_of(label)) for label in labels])


def rule_interactions(
    rules: Iterable[EffectBaseline], labels: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the interactions by name of the rules that apply to all labels."""
    predicted = {rule.name: own_interaction(rule, labels) for rule in rules}
    return {name: values for name, values in predicted.items() if np.isfinite(values).all()}


def rounded(values: np.ndarray) -> np.ndarray:
    """Make what only rounding tells from 0 exactly 0, or a sum would interact with itself."""
    return np.where(np.abs(values) < ROUNDING, 0.0, values)


def refitted(
    rule: EffectBaseline, table: EffectTable, features: GeneFeatures | None = None
) -> EffectBaseline | None:
    """Return a baseline learned anew from another table, with the settings chosen before.

    None for a rule of another kind, of which it is not known what it learned from.
    """
    match rule:
        case Strong():
            parts = fit_parts(table, leading_directions(table.effects), rule.settings)
            return replace(rule, fallback=MatchingMean(table), fit=parts)
        case Linear():
            return fit_linear(table, features)
        case Additive(name="scaled additive"):
            return fit_scaled_additive(table)
        case NoChange() | TrainingMean() | MatchingMean() | Additive():
            return replace(rule, table=table)
        case _:
            return None
