"""Composition on tables of measured effects: what is held out, who predicts it, what bounds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.benchmark.scores import effect_rows
from gpjepa.benchmark.task import MODEL
from gpjepa.compose import Composer, fit
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.data.gene_features import GeneFeatures, local_features
from gpjepa.data.labels import members_of
from gpjepa.evaluation.baselines import EffectBaseline, fit_effect_baselines
from gpjepa.evaluation.baselines_strong import leading_directions
from gpjepa.evaluation.effect_table import EffectTable

if TYPE_CHECKING:
    from pandas import DataFrame

DOUBLES, GENES = 0.5, 0.25  # held-out share of the doubles, of the perturbed genes
DIRECTIONS = 40  # of the projection oracle


def held_out_doubles(table: EffectTable, seed: int, columns: np.ndarray | None) -> DataFrame:
    """Hold out half of the doubles that have both singles; score everyone on them.

    `columns` are those of the table that are scored, None for all; prediction may use the
    others of the training rows.
    """
    rng = numpy_stream(seed, "benchmark", "doubles")
    draw = schemes.unseen_combination(table.labels, rng, DOUBLES)
    return _score(table, (*draw.train, *draw.validation), {"doubles": draw.test}, seed, columns)


def held_out_genes(table: EffectTable, seed: int, columns: np.ndarray | None) -> DataFrame:
    """Hold out a quarter of the perturbed genes with all their doubles; score everyone on them.

    Doubles are grouped by how many of their two genes were trained on.
    """
    rng = numpy_stream(seed, "benchmark", "genes")
    draw = schemes.unseen_perturbation(table.labels, rng, GENES)
    trained = (*draw.train, *draw.validation)
    seen = schemes.genes_of(trained)
    names = {
        "unseen_single": "unseen genes",
        "combo_seen1": "doubles, one gene unseen",
        "combo_seen0": "doubles, both genes unseen",
    }
    groups = {
        name: tuple(label for label in draw.test if schemes.group_of(label, seen) == key)
        for key, name in names.items()
    }
    groups = {name: labels for name, labels in groups.items() if len(labels) > 1}
    return _score(table, trained, groups, seed, columns)


def _score(
    table: EffectTable,
    trained: Sequence[str],
    groups: dict[str, tuple[str, ...]],
    seed: int,
    columns: np.ndarray | None,
) -> DataFrame:
    """Fit everyone on the training rows and score each group."""
    import pandas

    training = select(table, sorted(trained))
    scored = np.arange(table.effects.shape[1]) if columns is None else columns
    features = known_features(table, training)
    asked = sorted({label for labels in groups.values() for label in labels})
    fitted = rules(training, features, seed)
    predictions = {rule.name: rule.effects(asked) for rule in fitted}
    position = {label: index for index, label in enumerate(asked)}
    reference = training.effects[:, scored].mean(axis=0)
    frames = []
    for name, labels in groups.items():
        truth = select(table, labels).effects[:, scored]
        at = [position[label] for label in labels]
        shown = {model: rows[at][:, scored] for model, rows in predictions.items()}
        shown |= oracles(training.effects[:, scored], training, labels, truth)
        frames.append(effect_rows(name, shown, truth, reference))
        if all(len(members_of(label)) == 1 for label in labels):
            frames.append(against_singles(name, shown, truth, training, scored))
    return pandas.concat(frames, ignore_index=True)


def against_singles(
    group: str,
    shown: Mapping[str, np.ndarray],
    truth: np.ndarray,
    training: EffectTable,
    scored: np.ndarray,
) -> DataFrame:
    """Score unseen genes with the mean of the training singles in place of all training rows.

    A part of what is gained over the mean of all rows is the difference of these two means.
    """
    alone = [i for i, label in enumerate(training.labels) if len(members_of(label)) == 1]
    mean = training.effects[alone][:, scored].mean(axis=0)
    own = {**shown, "training mean": np.tile(mean, (len(truth), 1))}
    return effect_rows(f"{group}, against the singles' mean", own, truth, mean)


def known_features(table: EffectTable, training: EffectTable) -> GeneFeatures:
    """Return the gene-set features of all perturbed genes, on the axes of the trained ones.

    A gene in no set gets a row of zeros: nothing is known of it.
    """
    genes = sorted(schemes.genes_of(table.labels))
    known = local_features(genes, sorted(schemes.genes_of(training.labels)))
    rows = dict(zip(known.names, known.values, strict=True))
    nothing = np.zeros(known.values.shape[1], dtype=known.values.dtype)
    return GeneFeatures(tuple(genes), np.stack([rows.get(gene, nothing) for gene in genes]))


def rules(training: EffectTable, features: GeneFeatures, seed: int) -> tuple[EffectBaseline, ...]:
    """Return the model and every baseline, fitted on the training rows."""
    baselines = fit_effect_baselines(training, features=features, seed=seed)
    return (compose(training, seed), *baselines)


@dataclass(frozen=True, eq=False)
class Composed:
    """The model's composition, asked as the baselines are.

    It refuses a gene that was not measured alone and is in no gene set; there the mean of the
    training effects [G] stands in, as the linear baseline's intercept does.
    """

    composer: Composer
    mean: np.ndarray
    name: str = MODEL
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G]."""
        genes = sorted(schemes.genes_of(labels))
        known = {*self.composer.alone.names, *self.composer.priors.known(genes)}
        at = [i for i, label in enumerate(labels) if known.issuperset(members_of(label))]
        found = np.tile(self.mean, (len(labels), 1))
        if at:
            found[at] = self.composer.predict([labels[i] for i in at]).effects
        return found


def compose(training: EffectTable, seed: int) -> Composed:
    """Fit the model's composition on the training rows, with the gene sets that it takes itself."""
    singles = [label for label in training.labels if len(members_of(label)) == 1]
    doubles = [label for label in training.labels if len(members_of(label)) > 1]
    composer = fit(
        select(training, singles).effects,
        select(training, doubles).effects,
        singles,
        doubles,
        seed=seed,
    )
    return Composed(composer, training.effects.mean(axis=0), notes=composer.notes)


def oracles(
    effects: np.ndarray, training: EffectTable, labels: Sequence[str], truth: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what is reached by looking at the truth: bounds, not predictions.

    The best c₁δ_a + c₂δ_b for each double, where both singles are in the training rows, and the
    truth projected on the leading directions of the training `effects` [P, G]; for single genes
    on the span of the training singles.
    """
    found = {}
    singles = [training.single_rows(label) for label in labels]
    if all(rows is not None and len(rows) == 2 for rows in singles):
        best = [_best_mixture(effects[rows], row) for rows, row in zip(singles, truth, strict=True)]
        found["oracle: best c1, c2"] = np.asarray(best)
    if any(len(members_of(label)) > 1 for label in labels):
        basis = leading_directions(effects)[:DIRECTIONS]
        found[f"oracle: truth on {DIRECTIONS} directions"] = truth @ basis.T @ basis
    else:
        alone = [i for i, label in enumerate(training.labels) if len(members_of(label)) == 1]
        basis = leading_directions(effects[alone])
        if len(basis) < basis.shape[1]:  # else it is the truth itself
            found["oracle: truth on the training singles"] = truth @ basis.T @ basis
    return found


def _best_mixture(singles: np.ndarray, double: np.ndarray) -> np.ndarray:
    """Return the least-squares mixture of two singles [2, G] for a double [G]."""
    weights = np.linalg.lstsq(singles.T, double, rcond=None)[0]
    return np.asarray(weights @ singles)


def select(table: EffectTable, labels: Sequence[str]) -> EffectTable:
    """Return the rows of some labels, in their order."""
    at = [table.row[label] for label in labels]
    return EffectTable(tuple(labels), table.effects[at], table.genes, table.control)
