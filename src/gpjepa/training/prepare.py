"""From data and split to what the stages train on: fitted on training cells only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gpjepa.core.config import Config, PerturbationConfig
from gpjepa.core.errors import DataError
from gpjepa.data.disk_counts import taken
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.labels import AT, CONTROL, members_of, modality_of, symbol_of
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.data.selection import cells_with_counts, select_genes
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.cells import CellTable
from gpjepa.inference.contexts import Contexts
from gpjepa.model.gpjepa import GeneMoments
from gpjepa.model.perturbation import ConditionSpec
from gpjepa.training.cells import gene_moments
from gpjepa.training.contexts import fit_contexts
from gpjepa.training.feature_blocks import (
    COEXPRESSION,
    control_loadings,
    feature_blocks,
    placed_by_features,
    refuse_useless,
    stacked,
)
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
    checked: Annotated  # cells of the validation perturbations
    contexts: Contexts | None = None


def prepare(
    data: PerturbSeq,
    split: Split,
    config: Config,
    features: GeneFeatures | Sequence[GeneFeatures] | None = None,
) -> Prepared:
    """Fit gene selection, moments, vocabulary and observed effects on the training cells.

    Tables of `features` are used beside the sources that `config` names. Raises `DataError` for
    one that covers none of the perturbations.
    """
    tables = (features,) if isinstance(features, GeneFeatures) else tuple(features or ())
    refuse_useless(tables, data.members)
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
    loadings = _loadings(panel, inside, config.perturbation)
    measured = measured_members(panel, inside)
    placed = placed_by_features(config.perturbation, measured, tables, loadings)
    vocabulary = make_vocabulary(panel, split, inside, placed)
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
    spec = make_spec(vocabulary, config, tables, loadings)
    seen = everyone.take(parts.validation)
    contexts = fit_contexts(panel, split, inside, observed, moments.target)
    return Prepared(
        genes, moments, vocabulary, spec, training, controls, observed, validation, seen, contexts
    )


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
    data: PerturbSeq, split: Split, inside: np.ndarray, placed: Iterable[str]
) -> Vocabulary:
    """Name the measured perturbations first, then those that features alone have `placed`."""
    cells = Counter(data.labels[inside])
    labels = set(cells) - {CONTROL}
    measured = measured_members(data, inside)
    alone = {label for label in labels if len(members_of(label)) == 1}
    modalities, usual = _modalities(data, cells)
    others = set(placed)
    if any(modality_of(member) in modalities for member in measured):
        carried = {name for name in others if modality_of(name) in modalities}
        genes = (others - carried) | {symbol_of(member) for member in measured}
        others = carried | {f"{gene}{AT}{modality}" for gene in genes for modality in modalities}
    covariates: dict[str, tuple[str, ...]] = {}
    for name, values in (("cell_type", data.cell_type), ("batch", data.batch)):
        if values is None or _is_held_out(data, name, split):
            continue
        levels = tuple(sorted(set(values[inside])))
        if len(levels) > 1:
            covariates[name] = levels
    dose = data.dose is not None and len(np.unique(data.dose[inside])) > 1
    only_together = frozenset(measured) - alone
    members = (*measured, *sorted(others - set(measured)))
    return Vocabulary(members, len(measured), only_together, covariates, dose, modalities, usual)


def measured_members(data: PerturbSeq, inside: np.ndarray) -> list[str]:
    """Return the members that training cells were perturbed by, sorted."""
    labels = set(data.labels[inside]) - {CONTROL}
    return sorted({member for label in labels for member in members_of(label)})


def _modalities(data: PerturbSeq, cells: Counter[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the trained modalities, commonest first, and the commonest of genes with several."""
    if len(data.modalities) < 2:
        return data.modalities, {}
    counts: Counter[str] = Counter()
    for label, number in cells.items():
        for member in members_of(label):
            counts[member] += number
    total: Counter[str] = Counter()
    of_gene: dict[str, list[str]] = {}
    for member in sorted(counts, key=lambda name: (-counts[name], name)):
        total[str(modality_of(member))] += counts[member]
        of_gene.setdefault(symbol_of(member), []).append(str(modality_of(member)))
    usual = {gene: found[0] for gene, found in sorted(of_gene.items()) if len(found) > 1}
    return tuple(sorted(total, key=lambda name: (-total[name], name))), usual


def _is_held_out(data: PerturbSeq, role: str, split: Split) -> bool:
    """Say whether the split holds out levels of this covariate, so that it cannot be embedded."""
    return split.context_column in (role, getattr(data.roles, role))


def make_spec(
    vocabulary: Vocabulary,
    config: Config,
    tables: Sequence[GeneFeatures] = (),
    loadings: GeneFeatures | None = None,
) -> ConditionSpec:
    """Lay out the features of every name; a name without features has a row of zeros."""
    names, measured = vocabulary.members, vocabulary.measured
    blocks = feature_blocks(config.perturbation, names, measured, tables, loadings)
    levels = tuple(len(values) for values in vocabulary.covariates.values())
    modality = vocabulary.modality_index()
    return ConditionSpec(
        torch.from_numpy(stacked(blocks, names, measured)),
        measured,
        levels,
        vocabulary.dose,
        None if modality is None else torch.from_numpy(modality),
    )


def _loadings(
    panel: PerturbSeq, inside: np.ndarray, config: PerturbationConfig
) -> GeneFeatures | None:
    """Fit the axes of co-expression on the training controls, if they are among the features."""
    if COEXPRESSION not in config.features:
        return None
    rows = inside[panel.labels[inside] == CONTROL]
    target = float(np.median(panel.library[inside]))
    cells = CellTable(taken(panel.counts, rows), np.asarray(panel.library[rows]))
    return control_loadings(cells, tuple(map(str, panel.genes)), target, config.components)


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
