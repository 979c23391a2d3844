"""Perturbations in a context that was left out, such as a cell type: what others say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.assessment import Assessment
from gpjepa.benchmark.held_out import group_scores, train_and_assess
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.data.partition import Split, truth_half
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.baselines import Baseline
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.pseudobulk import group_pseudobulk, pseudobulk
from gpjepa.evaluation.sampled_cells import ControlCells

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class MeasuredElsewhere:
    """Predict the mean of the effects that other contexts measured, each on its own control.

    `table` [C, P, G] holds the effects of `labels` in every context, NaN where it has none, in
    log1p pseudobulk units. With the sum in place of the mean of members it is what adding the
    effect to the new context's control predicts.
    """

    labels: tuple[str, ...]
    table: np.ndarray
    name: str = "mean elsewhere"
    fitted: bool = True
    notes: tuple[str, ...] = ()

    def effects(self, labels: Sequence[str]) -> np.ndarray:
        """Return effects [labels, G]; NaN where no other context has the perturbation."""
        position = {label: index for index, label in enumerate(self.labels)}
        found = np.full((len(labels), self.table.shape[2]), np.nan)
        for row, label in enumerate(labels):
            if label in position:
                measured = self.table[:, position[label]]
                known = np.isfinite(measured).all(axis=1)
                if known.any():
                    found[row] = measured[known].mean(axis=0)
        return found


def context_split(data: PerturbSeq, column: str, level: str, seed: int) -> Split:
    """Hold out one level of a context column: its perturbed cells, and half of its controls."""
    here = data.covariate(column) == level
    perturbed = ~data.is_control
    rng = numpy_stream(seed, "benchmark", "context", level)
    outside, inside = set(data.labels[~here & perturbed]), set(data.labels[here & perturbed])
    draw = _everything(schemes.across_contexts(outside, inside, rng), inside)
    return Split(
        "unseen-context",
        seed,
        draw.train,
        draw.validation,
        draw.test,
        draw.groups,
        truth_half(data, seed, column),
        context_column=column,
        held_out_context=level,
    )


def _everything(draw: schemes.Draw, inside: set[str]) -> schemes.Draw:
    """Test every perturbation that both sides have; with a single one there is no validation."""
    trained = draw.train or draw.validation
    validation = draw.validation if draw.train else ()
    test = tuple(sorted({*trained, *validation} & inside))
    return schemes.Draw(trained, validation, test, dict.fromkeys(test, "unseen_context"))


def fit_elsewhere(data: PerturbSeq, split: Split, target: float) -> tuple[MeasuredElsewhere, ...]:
    """Measure every perturbation in every other context; return the mean and the nearest one.

    The nearest context is the one whose control's profile correlates best with that of the
    held-out context's training control; neither looks at a perturbed cell of that context.
    """
    if split.context_column is None or split.held_out_context is None:
        raise ValueError("the split holds out no context")
    context = data.covariate(split.context_column)
    parts = split.parts(data)
    labels = tuple(sorted({*split.train, *split.validation}))
    start = parts.train_controls[context[parts.train_controls] == split.held_out_context]
    own = pseudobulk(data.counts[start], data.library[start], target)
    trained = np.concatenate((parts.train, parts.validation))
    tables, nearness = [], []
    for level in sorted(set(context) - {split.held_out_context}):
        controls = parts.train_controls[context[parts.train_controls] == level]
        cells = trained[context[trained] == level]
        base = pseudobulk(data.counts[controls], data.library[controls], target)
        tables.append(_states(data.subset(cells), labels, target) - base)
        nearness.append(np.corrcoef(base, own)[0, 1])
    table = np.stack(tables)
    nearest = table[[int(np.argmax(nearness))]]
    return (
        MeasuredElsewhere(labels, table),
        MeasuredElsewhere(labels, nearest, name="nearest context"),
    )


def _states(cells: PerturbSeq, labels: Sequence[str], target: float) -> np.ndarray:
    """Return the pseudobulk of each perturbation [P, G]; NaN without cells."""
    position = {label: index for index, label in enumerate(labels)}
    codes = np.array([position.get(str(label), -1) for label in cells.labels], dtype=np.int64)
    return group_pseudobulk(cells.counts, cells.library, codes, len(labels), target)


def score_context(
    data: PerturbSeq,
    column: str,
    level: str,
    group: str,
    config: Config,
    seed: int,
    device: str,
) -> DataFrame:
    """Train without a context; score the model and what other contexts say in it."""
    import pandas

    split = context_split(data, column, level, seed)
    assessed = train_and_assess(data, split, config, seed, device)
    groups = dict.fromkeys(split.test, group)
    rules = fit_elsewhere(assessed.panel, split, assessed.target)
    table = assessed.report.table  # what it says of these rules has no validation cells
    tables = [table[~table["model"].isin([rule.name for rule in rules])]]
    tables += [_evaluated(rule, assessed, level, seed) for rule in rules]
    return group_scores(
        pandas.concat(tables, ignore_index=True), assessed.report.name, groups
    ).assign(group=lambda rows: rows["group"].where(rows["group"] == group, f"{group}, cells"))


def _evaluated(rule: MeasuredElsewhere, assessed: Assessment, level: str, seed: int) -> DataFrame:
    """Evaluate a rule's sampled cells exactly as the model's."""
    panel, controls = assessed.panel, assessed.parts.train_controls
    column = assessed.split.context_column
    here = controls[panel.covariate(str(column))[controls] == level]
    start = panel.subset(here)
    cells = ControlCells.fit(start.counts, start.library, assessed.target, start.has_rest)
    baseline = Baseline(rule, cells, tuple(str(gene) for gene in panel.genes))
    number = assessed.predicted.n_obs // len(assessed.labels)
    report = evaluate(
        baseline.predict(assessed.labels, number, seed),
        assessed.observed,
        train=start.to_anndata(),
        baselines=False,
        seed=seed,
        name=rule.name,
    )
    return report.table
