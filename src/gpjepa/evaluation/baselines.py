"""All closed-form baselines, fitted on effect tables or on cells, that every model must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from anndata import AnnData
from scipy import sparse

from gpjepa.core.errors import VocabularyError
from gpjepa.core.random import numpy_stream
from gpjepa.evaluation.baselines_linear import fit_linear
from gpjepa.evaluation.baselines_simple import (
    Additive,
    MatchingMean,
    NoChange,
    TrainingMean,
    fit_scaled_additive,
)
from gpjepa.evaluation.baselines_strong import fit_strong
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.pseudobulk import group_pseudobulk, pseudobulk
from gpjepa.evaluation.sampled_cells import ControlCells, change_counts

if TYPE_CHECKING:
    from gpjepa.data.gene_features import GeneFeatures
    from gpjepa.data.perturbseq import PerturbSeq

NAMES = (
    "no change",
    "training mean",
    "matching mean",
    "additive",
    "scaled additive",
    "linear",
    "strong",
)


class EffectBaseline(Protocol):
    """Predicts effects of labelled perturbations; a NaN row does not apply."""

    @property
    def name(self) -> str:
        """One of `NAMES`."""

    @property
    def fitted(self) -> bool:
        """False when there was nothing to learn the factors from."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was learned, chosen or replaced."""

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G]."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """A baseline that predicts effects and samples cells.

    Effects are in log1p pseudobulk units relative to the training control cells.
    """

    rule: EffectBaseline
    control: ControlCells
    genes: tuple[str, ...]

    @property
    def name(self) -> str:
        """One of `NAMES`."""
        return self.rule.name

    @property
    def fitted(self) -> bool:
        """False when there was nothing to learn the factors from."""
        return self.rule.fitted

    @property
    def notes(self) -> tuple[str, ...]:
        """What was learned, chosen or replaced."""
        return self.rule.notes

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects float64 [labels, G]; a NaN row does not apply."""
        return self.rule.effects(labels)

    def predict(self, labels: Sequence[str] | str, cells: int = 400, seed: int = 0) -> AnnData:
        """Sample `cells` cells of raw counts for each perturbation, control cells changed.

        X is int32 CSR in the order of the genes; obs holds perturbation and total_counts (the
        library, the control cell's own). Raises `VocabularyError` for a perturbation to which
        the baseline does not apply.
        """
        names = [labels] if isinstance(labels, str) else list(labels)
        blocks, totals = [], []
        for label in names:
            rng = numpy_stream(seed, "baseline", self.name, label)
            counts, library = self.sample(label, cells, rng)
            blocks.append(counts)
            totals.append(library)
        sampled = AnnData(sparse.csr_matrix(sparse.vstack(blocks), dtype=np.int32))
        sampled.var_names = list(self.genes)
        sampled.obs_names = [f"predicted-{row}" for row in range(len(names) * cells)]
        sampled.obs["perturbation"] = np.repeat(np.asarray(names, dtype=object), cells)
        sampled.obs["total_counts"] = np.concatenate(totals)
        return sampled

    def sample(
        self, label: str, cells: int, rng: np.random.Generator
    ) -> tuple[sparse.csr_matrix, np.ndarray]:
        """Return counts [cells, G] and libraries of control cells changed to the effect.

        Raises `VocabularyError` when the baseline does not apply to the label.
        """
        effect = self.effects([label])[0]
        if np.isnan(effect).any():
            raise VocabularyError(
                f"baseline {self.name!r} has no effect for {label!r}; expected members with a "
                "measured single or an embedding; leave the label out"
            )
        return change_counts(self.control, effect, cells, rng)


def fit_effect_baselines(
    table: EffectTable,
    validation: EffectTable | None = None,
    *,
    features: GeneFeatures | None = None,
    seed: int = 0,
) -> tuple[EffectBaseline, ...]:
    """Fit every baseline on a table of training effects, in the order of `NAMES`.

    Without any training perturbation only "no change" is left.
    """
    if not table.labels:
        return (NoChange(table),)
    return (
        NoChange(table),
        TrainingMean(table),
        MatchingMean(table),
        Additive(table),
        fit_scaled_additive(table),
        fit_linear(table, features),
        fit_strong(table, validation, seed=seed),
    )


def fit_baselines(
    train: PerturbSeq,
    validation: PerturbSeq | None = None,
    *,
    target: float,
    seed: int = 0,
    features: GeneFeatures | None = None,
) -> tuple[Baseline, ...]:
    """Fit every baseline on training cells.

    `train` holds the control cells that predictions start from; `validation` (perturbed cells,
    same genes) only chooses settings, which else are chosen inside `train`. `target` is the
    library, in counts, to which pseudobulks are scaled.
    """
    is_control = train.is_control
    control = ControlCells.fit(
        train.counts[is_control], train.library[is_control], target, train.has_rest
    )
    base = pseudobulk(control.counts, control.library, target)
    table = effect_table(train, base, target)
    other = None if validation is None else effect_table(validation, base, target)
    fitted = fit_effect_baselines(table, other, features=features, seed=seed)
    genes = tuple(str(gene) for gene in train.genes)
    return tuple(Baseline(rule, control, genes) for rule in fitted)


def effect_table(data: PerturbSeq, control: np.ndarray, target: float) -> EffectTable:
    """Return the effects of the perturbed cells of `data` against a control's pseudobulk [G]."""
    names = tuple(data.perturbations)
    position = {name: index for index, name in enumerate(names)}
    codes = np.array([position.get(str(label), -1) for label in data.labels], dtype=np.int64)
    profiles = group_pseudobulk(data.counts, data.library, codes, len(names), target)
    return EffectTable(names, profiles - control, data.genes, control)
