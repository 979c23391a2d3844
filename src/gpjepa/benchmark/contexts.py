"""Perturbations in a context that was left out, such as a cell type: what others say of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.assessment import Assessment
from gpjepa.benchmark.held_out import group_scores, train_and_assess
from gpjepa.core.config import Config
from gpjepa.core.errors import DataError
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.data.partition import Split, truth_half
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.baselines import Baseline
from gpjepa.evaluation.baselines_elsewhere import Elsewhere, MeanElsewhere, controls_in
from gpjepa.evaluation.evaluator import evaluate
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.evaluation.sampled_cells import ControlCells

if TYPE_CHECKING:
    from pandas import DataFrame

NEAREST = "nearest context"


def context_split(data: PerturbSeq, column: str, level: str, seed: int) -> Split:
    """Hold out one level of a context column: its perturbed cells, and half of its controls.

    Tested are the perturbations that train elsewhere; 15 % of them validate elsewhere and are
    not tested.
    """
    here = data.covariate(column) == level
    perturbed = ~data.is_control
    rng = numpy_stream(seed, "benchmark", "context", level)
    outside, inside = set(data.labels[~here & perturbed]), set(data.labels[here & perturbed])
    draw = schemes.across_contexts(outside, inside, rng)
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


def nearest_context(data: PerturbSeq, split: Split, target: float) -> MeanElsewhere:
    """Return the effects that the most similar other context measured.

    That is the context whose training control's profile correlates best with the training
    control's of the one left out: no perturbed cell of that one is looked at.
    Raises `DataError` when no other context has control cells.
    """
    column, held_out = str(split.context_column), str(split.held_out_context)
    parts = split.parts(data)
    train = data.subset(np.concatenate((parts.train, parts.train_controls)))
    others = Elsewhere.measure(train, column, held_out, target)
    if not others.control:
        raise DataError(
            f"no {column} but {held_out!r} has training control cells; expected one at least; "
            "use another column"
        )
    start = controls_in(train, column, held_out)
    own = pseudobulk(train.counts[start], train.library[start], target)
    best = max(others.control, key=lambda name: np.corrcoef(others.control[name], own)[0, 1])
    table = replace(others, control={best: others.control[best]}).table(train, own)
    return MeanElsewhere(table, name=NEAREST, notes=(best,))


def score_context(
    data: PerturbSeq,
    column: str,
    level: str,
    group: str,
    config: Config,
    seed: int,
    device: str,
    main: Collection[str] | None = None,
) -> DataFrame:
    """Train without a context; score the model and what other contexts say in it.

    Perturbations that are not in `main` (None: all are) make a group of their own.
    """
    import pandas

    split = context_split(data, column, level, seed)
    assessed = train_and_assess(data, split, config, seed, device)
    groups = {
        label: group if main is None or label in main else f"{group}, others"
        for label in split.test
    }
    rule = nearest_context(assessed.panel, split, assessed.target)
    table = pandas.concat((assessed.report.table, evaluated(rule, assessed, seed)))
    found = group_scores(table.reset_index(drop=True), assessed.report.name, groups)
    if len(split.test) == 1:  # its own mean would be the reference
        found = found[found["metric"] != "pearson_perturbed"]
    return found


def evaluated(rule: MeanElsewhere, assessed: Assessment, seed: int) -> DataFrame:
    """Evaluate a rule's sampled cells exactly as the model's, from the same control cells."""
    panel, split = assessed.panel, assessed.split
    train = panel.subset(assessed.parts.train_controls)
    start = train.subset(controls_in(train, str(split.context_column), str(split.held_out_context)))
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
    own: DataFrame = report.table[report.table["model"] == rule.name]
    return own
