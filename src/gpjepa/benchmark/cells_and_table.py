"""cells-and-table: the cell model and the composition of effect tables, from the same cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gpjepa.api.answers import averaged_over
from gpjepa.api.interactions import gated
from gpjepa.api.model import GPJEPA
from gpjepa.api.populations import Start
from gpjepa.benchmark import semi_synthetic, truth
from gpjepa.benchmark.agreement import (
    CELL,
    COMPOSED,
    INSIDE,
    LEVEL,
    LIKE_TABLE,
    OFF_NONE,
    OFF_TABLE,
    REACHED,
    SIZE,
    STEP,
    TABLE,
    Predictions,
    rows_of,
    score_interactions,
)
from gpjepa.benchmark.held_out import trained
from gpjepa.benchmark.norman_k562 import screen
from gpjepa.benchmark.task import OVER_ADDITIVE, PEARSON, SLOPE, Part, Task, headlines
from gpjepa.compose import Composer, fit
from gpjepa.core.config import Config
from gpjepa.data.labels import members_of
from gpjepa.data.partition import Split, SplitCells
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.baselines import effect_table, fit_effect_baselines
from gpjepa.evaluation.effect_table import EffectTable
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.evaluation.pseudobulk import median_library, pseudobulk
from gpjepa.training.measured_effects import measure_effects

if TYPE_CHECKING:
    from pandas import DataFrame

DENOISED, FROM_DENOISED = "sum of denoised", "effect table of denoised"
FROM_CLEARED = "effect table less the control's error"
BASELINES = ("no change", "additive", "strong")
SINGLES_TRUTH = "simulated singles, truth"
INTERACTIONS = "simulated interactions, truth"
CELLS = 64  # control cells that the decoder's directions are averaged over


@dataclass(frozen=True, eq=False)
class Both:
    """The cell model, and tables of the effects that its training cells show.

    `cleared` effects are the measured ones less the error of the control that they share,
    `denoised` ones those that the cell model is trained on. The tables are on the modelled genes at
    `genes` [H], expressed in control cells and perturbed by no training perturbation; `scored` [H]
    marks those that nothing of the data perturbs.
    """

    model: GPJEPA
    measured: EffectTable
    cleared: EffectTable
    denoised: EffectTable
    panel: PerturbSeq
    parts: SplitCells
    genes: np.ndarray
    scored: np.ndarray
    target: float


def real(config: Config, seed: int, device: str) -> DataFrame:
    """Compare both on the held-out doubles of norman-k562, against their cells."""
    data, split = screen(seed)
    both = fit_both(data, split, config, seed, device)
    labels = [label for label in split.test if len(members_of(label)) > 1]
    return compared(both, {"doubles": (labels, held_out_effects(both, labels))}, seed)


def simulated(config: Config, seed: int, device: str) -> DataFrame:
    """Compare both on semi-synthetic doubles, against cells and truth, and on trained singles.

    Beside them: how near the cell model's interactions of the doubles come to the true ones.
    """
    import pandas

    data, split, true = truth.screen(semi_synthetic.simulation(seed), semi_synthetic.DOUBLES, seed)
    both = fit_both(data, split, config, seed, device)
    doubles = list(split.test)
    singles = [label for label in split.train if len(members_of(label)) == 1]
    genes = [str(gene) for gene in both.panel.genes[both.genes]]
    table = true.effects(target=both.target).loc[:, genes]
    asked = {
        truth.CELLS: (doubles, held_out_effects(both, doubles)),
        truth.TRUTH: (doubles, table.loc[doubles].to_numpy()),
        SINGLES_TRUTH: (singles, table.loc[singles].to_numpy()),
    }
    sums = np.stack(
        [table.loc[list(members_of(label))].to_numpy().sum(axis=0) for label in doubles]
    )
    beyond = interaction_rows(both, doubles, table.loc[doubles].to_numpy() - sums, seed)
    return pandas.concat((compared(both, asked, seed), beyond), ignore_index=True)


def fit_both(data: PerturbSeq, split: Split, config: Config, seed: int, device: str) -> Both:
    """Train the cell model, and measure the effects of the same training cells."""
    return both_of(trained(data, split, config, seed, device), data, split)


def both_of(model: GPJEPA, data: PerturbSeq, split: Split) -> Both:
    """Measure the effects of the cells that a fitted model learned from, and denoise them.

    These are the training cells and the validation combinations, which its composition joins.
    """
    panel = data.select_genes(model.bundle.panel.names)
    parts = split.parts(panel)
    known, labels = model.bundle.vocabulary.all_measured, panel.labels[parts.validation]
    joined = parts.validation[[len(members_of(x)) > 1 and known(x) for x in map(str, labels)]]
    train = panel.subset(np.concatenate((parts.train, joined, parts.train_controls)))
    control = train.is_control
    target = median_library(train.library[control])
    composition = model.bundle.model.predictor.composition
    if composition is None:
        genes = gated(Start(model.bundle, model.controls, None))
    else:
        genes = composition.genes.cpu().numpy()
    learned, later = panel.subset(parts.train), panel.subset(joined)
    order = (*learned.perturbations, *later.perturbations)
    strata = np.zeros(train.n_cells, dtype=np.int64)
    found = measure_effects(train.counts, train.library, train.labels, strata, target, order)
    posterior = found.posterior
    passed = expressed_untargeted(train.counts[control], panel.genes, panel.members)
    return Both(
        model,
        EffectTable(order, found.effect[:, genes]),
        EffectTable(order, (found.effect - posterior.shared)[:, genes]),
        EffectTable(order, posterior.mean[:, genes]),
        panel,
        parts,
        genes,
        passed[genes],
        target,
    )


def composer_of(table: EffectTable, seed: int) -> Composer:
    """Fit `gpjepa.compose` on a table of effects as a user would."""
    alone = np.array([len(members_of(label)) == 1 for label in table.labels], dtype=bool)
    names = np.array(table.labels, dtype=object)
    singles, doubles = (table.effects[rows] for rows in (alone, ~alone))
    return fit(singles, doubles, list(names[alone]), list(names[~alone]), seed=seed)


def held_out_effects(both: Both, labels: Sequence[str]) -> np.ndarray:
    """Return what the held-out cells show [labels, H], against the truth's half of the controls."""
    controls = both.panel.subset(both.parts.truth_controls)
    base = pseudobulk(controls.counts, controls.library, both.target)
    table = effect_table(both.panel.subset(both.parts.test), base, both.target)
    return table.effects[[table.row[label] for label in labels]][:, both.genes]


def predictions(both: Both, labels: Sequence[str], seed: int) -> Predictions:
    """Return the effects [labels, H] that each model predicts, and the steps between the two.

    "composed, not decoded" is the effect that the cell model's composition asks for, and "in the
    decoder's reach" as much of it as a shift of the latent can express, to first order. Without a
    composition these are left out.
    """
    found = {
        TABLE: composer_of(both.measured, seed).predict(labels).effects,
        FROM_CLEARED: composer_of(both.cleared, seed).predict(labels).effects,
        FROM_DENOISED: composer_of(both.denoised, seed).predict(labels).effects,
        DENOISED: both.denoised.sums(labels),
        CELL: decoded(both, labels, seed),
    }
    composition = both.model.bundle.model.predictor.composition
    if composition is not None:
        members = torch.from_numpy(both.model.bundle.vocabulary.encode(labels))
        asked = composition.target(members.to(composition.genes.device))
        found[COMPOSED] = asked.double().cpu().numpy()
        found[REACHED] = within_reach(decoder_directions(both), found[COMPOSED])
    for rule in fit_effect_baselines(both.measured, seed=seed):
        if rule.name in BASELINES:
            found[rule.name] = rule.effects(labels)
    return found


def decoded(both: Both, labels: Sequence[str], seed: int) -> np.ndarray:
    """Return the cell model's mean effects [labels, H]."""
    table = both.model.effects(list(labels), seed=seed)
    wide = table.pivot(index="perturbation", columns="gene", values="effect")
    names = [str(gene) for gene in both.panel.genes[both.genes]]
    return wide.loc[list(labels), names].to_numpy(dtype=np.float64)


@torch.no_grad()
def decoder_directions(both: Both) -> np.ndarray:
    """Return d effect / d shift [H, D], how the effects of `genes` move with the latent."""
    start = Start(both.model.bundle, both.model.controls, None)
    controls = averaged_over(start, 0, CELLS).controls
    weight = controls.library / controls.library.sum()
    decoder, chosen = both.model.bundle.model.decoder, torch.from_numpy(both.genes)

    def level(shift: Tensor) -> Tensor:
        shares = weight @ decoder.mean_shares(controls.state + shift, start.offset)
        return torch.log1p(both.target * shares[chosen.to(shares.device)])

    jacobian: Tensor = torch.func.jacfwd(level)(torch.zeros_like(controls.state[0]))
    return jacobian.double().cpu().numpy()


def within_reach(directions: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Return effects [P, H] projected on the span of the directions [H, D]."""
    return (directions @ np.linalg.lstsq(directions, effects.T, rcond=None)[0]).T


def compared(
    both: Both, asked: Mapping[str, tuple[Sequence[str], np.ndarray]], seed: int
) -> DataFrame:
    """Score every prediction against observed effects and against the table's.

    `asked` names groups of labels with what is observed of them [labels, H].
    """
    import pandas

    everyone = sorted({label for labels, _ in asked.values() for label in labels})
    made = predictions(both, everyone, seed)
    reference = both.measured.effects[:, both.scored].mean(axis=0)
    frames = []
    for group, (labels, observed) in asked.items():
        at = [everyone.index(label) for label in labels]
        own = {name: rows[at][:, both.scored] for name, rows in made.items()}
        frames.append(rows_of(group, own, observed[:, both.scored], reference, labels))
    return pandas.concat(frames, ignore_index=True)


def interaction_rows(both: Both, labels: Sequence[str], true: np.ndarray, seed: int) -> DataFrame:
    """Score the cell model's interactions, and their intervals, against true ones [labels, H]."""
    table = both.model.interactions(list(labels), LEVEL, seed=seed)
    names = [str(gene) for gene in both.panel.genes[both.genes]]
    predicted, low, high = (
        table.pivot(index="perturbation", columns="gene", values=column)
        .loc[list(labels), names]
        .to_numpy(dtype=np.float64)[:, both.scored]
        for column in ("interaction", "low", "high")
    )
    return score_interactions(INTERACTIONS, predicted, low, high, true[:, both.scored], labels)


AGREEMENT = (PEARSON, SLOPE, OVER_ADDITIVE, LIKE_TABLE, SIZE, OFF_TABLE, STEP)
CELLS_AND_TABLE = Task(
    "cells-and-table",
    "the cell model and the effect-table composition on the same training cells: norman-k562, "
    "semi-synthetic (simulated)",
    ("norman-k562", "norman-effects", "k562-baseline", "gene-sets"),
    (Part("norman-k562", real), Part("semi-synthetic", simulated)),
    (
        *headlines("doubles", *AGREEMENT),
        *headlines(truth.TRUTH, *AGREEMENT),
        *headlines(SINGLES_TRUTH, OVER_ADDITIVE, SLOPE),
        *headlines(INTERACTIONS, OFF_NONE, INSIDE),
    ),
    reference=TABLE,
)
