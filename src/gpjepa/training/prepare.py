"""From data and split to what the stages train on: fitted on training cells only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.core.config import Config
from gpjepa.core.errors import DataError, VocabularyError
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.gene_features import local_features
from gpjepa.data.labels import CONTROL, members_of
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.selection import cells_with_counts, select_genes
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.cells import CellTable
from gpjepa.model.gpjepa import GeneMoments
from gpjepa.model.perturbation import ConditionSpec
from gpjepa.training.cells import gene_moments
from gpjepa.training.measured_effects import MeasuredEffects, measure_effects


@dataclass(frozen=True, eq=False)
class Annotated:
    """Cells with their labels, covariate levels [cells, C], strata and dose."""

    table: CellTable
    names: np.ndarray
    labels: np.ndarray
    covariates: np.ndarray
    strata: np.ndarray
    dose: np.ndarray | None

    def take(self, index: np.ndarray) -> Annotated:
        """Return the cells at `index`."""
        return Annotated(
            self.table.take(index),
            self.names[index],
            self.labels[index],
            self.covariates[index],
            self.strata[index],
            None if self.dose is None else self.dose[index],
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that training needs; test cells have no part in it."""

    genes: tuple[str, ...]
    moments: GeneMoments
    vocabulary: Vocabulary
    spec: ConditionSpec
    training: Annotated  # perturbed training cells and the training half of the controls
    controls: Annotated
    observed: MeasuredEffects
    validation: MeasuredEffects


def prepare(
    data: PerturbSeq, split: Split, config: Config, features: GeneFeatures | None
) -> Prepared:
    """Fit gene selection, moments, vocabulary and observed effects on the training cells."""
    parts = split.parts(data)
    inside = np.sort(np.concatenate((parts.train, parts.train_controls)))
    inside = cells_with_counts(data, inside, config.data.min_cell_counts)
    if not np.any(data.labels[inside] != CONTROL):
        raise DataError(
            f"the split {split.scheme!r} leaves no perturbed training cells; expected some; "
            "choose another split or a smaller fraction"
        )
    genes = _modelled_genes(data, inside, config.data.genes)
    panel = data.select_genes(genes)
    vocabulary = make_vocabulary(panel, split, inside, config, features)
    everyone = annotate(panel, vocabulary)
    training = everyone.take(inside)
    moments = gene_moments(training.table, data.has_rest)
    controls = training.take(np.flatnonzero(training.labels == CONTROL))
    labels = tuple(sorted(set(training.labels) - {CONTROL}))
    observed = _effects(training, moments.target, labels)
    later = tuple(label for label in split.validation if vocabulary.knows(label))
    checked = everyone.take(np.concatenate((parts.validation, parts.train_controls)))
    present = set(checked.labels)
    validation = _effects(checked, moments.target, tuple(x for x in later if x in present))
    spec = make_spec(vocabulary, config, features)
    return Prepared(genes, moments, vocabulary, spec, training, controls, observed, validation)


def _modelled_genes(data: PerturbSeq, inside: np.ndarray, most: int | None) -> tuple[str, ...]:
    """Return all genes where they are few enough, so that predictions have the genes of the data.

    Of more than `most` genes the most variable in training cells are modelled.
    """
    if most is None or data.n_genes <= most:
        return tuple(str(gene) for gene in data.genes)
    return tuple(select_genes(data, inside, most))


def _effects(cells: Annotated, target: float, labels: tuple[str, ...]) -> MeasuredEffects:
    table = cells.table
    return measure_effects(table.counts, table.library, cells.labels, cells.strata, target, labels)


def make_vocabulary(
    data: PerturbSeq,
    split: Split,
    inside: np.ndarray,
    config: Config,
    features: GeneFeatures | None,
) -> Vocabulary:
    """Name the measured perturbations first, then every gene that features alone can place."""
    labels = set(data.labels[inside]) - {CONTROL}
    measured = sorted({member for label in labels for member in members_of(label)})
    alone = {label for label in labels if len(members_of(label)) == 1}
    others = sorted(set(_featured(config, measured, features)) - set(measured))
    covariates: dict[str, tuple[str, ...]] = {}
    for name, values in (("cell_type", data.cell_type), ("batch", data.batch)):
        if values is None or _is_held_out(data, name, split):
            continue
        levels = tuple(sorted(set(values[inside])))
        if len(levels) > 1:
            covariates[name] = levels
    dose = data.dose is not None and len(np.unique(data.dose[inside])) > 1
    only_together = frozenset(measured) - alone
    return Vocabulary(tuple(measured + others), len(measured), only_together, covariates, dose)


def _is_held_out(data: PerturbSeq, role: str, split: Split) -> bool:
    """Say whether the split holds out levels of this covariate, so that it cannot be embedded."""
    return split.context_column in (role, getattr(data.roles, role))


def _featured(
    config: Config, measured: Sequence[str], features: GeneFeatures | None
) -> tuple[str, ...]:
    if features is not None:
        return features.names
    if not config.perturbation.features:
        return ()
    from gpjepa.data.gene_features import set_matrix

    known = set_matrix(config.perturbation.features)
    if all(row is None for row in known.rows(list(measured))):
        return ()  # no perturbed name is a gene: sets cannot place others among them
    return tuple(known.position)


def make_spec(
    vocabulary: Vocabulary, config: Config, features: GeneFeatures | None
) -> ConditionSpec:
    """Lay out the features of every name; a name without features has a row of zeros."""
    names = vocabulary.members
    found = features
    if found is None and config.perturbation.features:
        try:
            found = local_features(
                names,
                names[: vocabulary.measured],
                config.perturbation.components,
                config.perturbation.features,
            )
        except VocabularyError:
            found = None
    levels = tuple(len(values) for values in vocabulary.covariates.values())
    if found is None:
        empty = torch.zeros((len(names), 0))
        return ConditionSpec(empty, vocabulary.measured, levels, vocabulary.dose)
    row = {name: index for index, name in enumerate(found.names)}
    values = np.zeros((len(names), found.values.shape[1]), dtype=np.float32)
    for index, name in enumerate(names):
        if name in row:
            values[index] = found.values[row[name]]
    scale = np.sqrt(np.mean(np.square(values[: vocabulary.measured]).sum(axis=1))) or 1.0
    return ConditionSpec(
        torch.from_numpy(values / scale), vocabulary.measured, levels, vocabulary.dose
    )


def annotate(data: PerturbSeq, vocabulary: Vocabulary) -> Annotated:
    """Attach strata and covariate levels to the cells of the modelled genes."""
    columns, rows = [], data.n_cells
    for name in vocabulary.covariates:
        values = getattr(data, name)
        position = {level: i for i, level in enumerate(vocabulary.covariates[name])}
        columns.append(np.array([position.get(value, 0) for value in values]))
    covariates = np.stack(columns, axis=1) if columns else np.zeros((rows, 0), dtype=np.int64)
    known = [values for values in (data.cell_type, data.batch) if values is not None]
    strata = np.zeros(rows, dtype=np.int64)
    for values in known:
        codes = np.unique(values.astype(str), return_inverse=True)[1]
        strata = np.unique(strata * (codes.max() + 1) + codes, return_inverse=True)[1]
    dose = data.dose if vocabulary.dose else None
    table = CellTable(data.counts, np.asarray(data.library))
    return Annotated(table, data.cells, data.labels, covariates, strata, dose)
