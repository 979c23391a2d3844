"""All closed-form baselines, fitted on effect tables or on cells, that every model must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from anndata import AnnData
from scipy import sparse

from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.core.random import numpy_stream
from gpjepa.data.labels import CONTROL, listed, parse_label
from gpjepa.evaluation.baselines_elsewhere import Elsewhere, MeanElsewhere, controls_in
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
from gpjepa.evaluation.sampled_cells import (
    ControlCells,
    change_chosen,
    change_counts,
    resample,
    sampled_cells,
)

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
        """Return effects float64 [labels, G] of canonical labels; a NaN row does not apply.

        The control itself has no effect.
        """
        rows = [row for row, label in enumerate(labels) if label != CONTROL]
        found = np.zeros((len(labels), len(self.genes)))
        if rows:
            found[rows] = self.rule.effects([labels[row] for row in rows])
        return found

    def predict(self, labels: Sequence[str] | str, cells: int = 400, seed: int = 0) -> AnnData:
        """Sample `cells` cells of raw counts for each perturbation: control cells, changed.

        The format is that of the model's predictions: X is int32 CSR in the order of the genes;
        obs holds perturbation, total_counts (the library ℓ, the control cell's own), control_cell
        and the control's covariates. Raises `VocabularyError` for a perturbation to which the
        baseline does not apply.
        """
        if cells < 1:
            raise ConfigError(f"cells is {cells}; expected 1 or more; pass for example cells=400")
        names = canonical(labels)
        available = self.control.counts.shape[0]
        parts = []
        for label in names:
            rng = numpy_stream(seed, "baseline", self.name, label)
            chosen = resample(cells, available, rng)
            parts.append((chosen, *change_chosen(self.control, self._effect(label), chosen, rng)))
        return sampled_cells(
            self.control,
            np.repeat(np.asarray(names, dtype=object), cells),
            np.concatenate([chosen for chosen, _, _ in parts]),
            sparse.vstack([counts for _, counts, _ in parts]),
            np.concatenate([library for _, _, library in parts]),
            self.genes,
        )

    def sample(
        self, label: str, cells: int, rng: np.random.Generator
    ) -> tuple[sparse.csr_matrix, np.ndarray]:
        """Return counts [cells, G] and libraries of control cells changed to the effect.

        Raises `VocabularyError` when the baseline does not apply to the label.
        """
        return change_counts(self.control, self._effect(label), cells, rng)

    def _effect(self, label: str) -> np.ndarray:
        """Return the effect [G] of one label; raise `VocabularyError` where there is none."""
        effect = self.effects([label])[0]
        if np.isnan(effect).any():
            raise VocabularyError(
                f"baseline {self.name!r} has no effect for {label!r}; expected members with a "
                "measured single or an embedding, or a context that measured it; leave the label "
                "out or use another baseline"
            )
        return effect


def canonical(labels: Sequence[str] | str) -> tuple[str, ...]:
    """Return canonical labels, each once and in the order given.

    Raises `VocabularyError` for no label at all.
    """
    given = listed(labels)
    if not given:
        raise VocabularyError(
            "no perturbation was named; expected at least one; pass for example ['KLF1']"
        )
    return tuple(dict.fromkeys(parse_label(label) for label in given))


def fit_effect_baselines(
    table: EffectTable,
    validation: EffectTable | None = None,
    *,
    features: GeneFeatures | None = None,
    seed: int = 0,
) -> tuple[EffectBaseline, ...]:
    """Fit every baseline on a table of training effects, in the order of `NAMES`.

    What learns how effects combine learns from the validation combinations too, once its settings
    are chosen, as the model's composition does. Without any training perturbation only "no change"
    is left.
    """
    if not table.labels:
        return (NoChange(table),)
    whole = table
    if validation is not None:
        whole = table.beside(validation, table.composed_in(validation))
    return (
        NoChange(table),
        TrainingMean(table),
        MatchingMean(table),
        Additive(table),
        fit_scaled_additive(whole),
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
    context_column: str | None = None,
    held_out_context: str | None = None,
) -> tuple[Baseline, ...]:
    """Fit every baseline on training cells.

    `train` holds the control cells that predictions start from; `validation` (perturbed cells,
    same genes) chooses settings, which else are chosen inside `train`. `target` is the
    library, in counts, to which pseudobulks are scaled. With a held-out context (a level of a
    covariate of the data) effects are those of the other contexts, each on its own control, they
    apply to the control cells of the held-out one, and "mean elsewhere" is added. Raises
    `DataError` when that context has no control cells.
    """
    if context_column is None or held_out_context is None:
        control = control_cells(train, train.is_control, target)
        base = pseudobulk(control.counts, control.library, target)
        table = effect_table(train, base, target)
        other = None if validation is None else effect_table(validation, base, target)
        rules = fit_effect_baselines(table, other, features=features, seed=seed)
    else:
        here = controls_in(train, context_column, held_out_context)
        control = control_cells(train, here, target)
        elsewhere = Elsewhere.measure(train, context_column, held_out_context, target)
        base = pseudobulk(control.counts, control.library, target)
        table = elsewhere.table(train, base)
        other = None if validation is None else elsewhere.table(validation, base)
        rules = fit_effect_baselines(table, other, features=features, seed=seed)
        rules = (*rules, MeanElsewhere(table, notes=(elsewhere.note(),)))
    genes = tuple(str(gene) for gene in train.genes)
    return tuple(Baseline(rule, control, genes) for rule in rules)


def control_cells(data: PerturbSeq, chosen: np.ndarray, target: float) -> ControlCells:
    """Return the `chosen` cells of the data as control cells to sample from."""
    levels = {
        name: values[chosen]
        for name, values in (("cell_type", data.cell_type), ("batch", data.batch))
        if values is not None
    }
    return ControlCells.fit(
        data.counts[chosen], data.library[chosen], target, data.has_rest, data.cells[chosen], levels
    )


def effect_table(data: PerturbSeq, control: np.ndarray, target: float) -> EffectTable:
    """Return the effects of the perturbed cells of `data` against a control's pseudobulk [G]."""
    names = tuple(data.perturbations)
    position = {name: index for index, name in enumerate(names)}
    codes = np.array([position.get(str(label), -1) for label in data.labels], dtype=np.int64)
    profiles = group_pseudobulk(data.counts, data.library, codes, len(names), target)
    return EffectTable(names, profiles - control, data.genes, control)
