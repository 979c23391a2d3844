"""Held-out combinations of simulated cells, scored against cells and the known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.assessment import Assessment
from gpjepa.benchmark.held_out import group_scores, train_and_assess, with_intercept
from gpjepa.benchmark.scores import COLUMNS, effect_rows
from gpjepa.core.config import Config
from gpjepa.core.random import numpy_stream
from gpjepa.data import schemes
from gpjepa.data.labels import CONTROL, members_of
from gpjepa.data.partition import Split, truth_half
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.data.simulator import SimulationConfig, Truth, simulate
from gpjepa.evaluation.baselines import effect_table, fit_baselines
from gpjepa.evaluation.pseudobulk import pseudobulk

if TYPE_CHECKING:
    from pandas import DataFrame

CELLS, TRUTH = "simulated doubles", "simulated doubles, truth"
TRIPLES = "simulated triples"
TRIPLES_TRUTH = f"{TRIPLES}, truth"


def score_simulated(
    simulation: SimulationConfig, fraction: float, config: Config, seed: int, device: str
) -> DataFrame:
    """Simulate, hold out a fraction of the doubles, train, and score on cells and on truth."""
    data, split, truth = screen(simulation, fraction, seed)
    assessed = train_and_assess(data, split, config, seed, device)
    return on_cells_and_truth(assessed, truth, seed, CELLS)


def screen(
    simulation: SimulationConfig, fraction: float, seed: int
) -> tuple[PerturbSeq, Split, Truth]:
    """Return simulated cells, a split that holds out a fraction of the doubles, and the truth."""
    adata, truth = simulate(simulation)
    data = read(adata, announce=False)
    return data, data.split("unseen-combination", seed=seed, fraction=fraction), truth


def score_triples(
    simulation: SimulationConfig, config: Config, seed: int, device: str
) -> DataFrame:
    """Simulate, train on singles and doubles, and score triples on cells and on truth."""
    adata, truth = simulate(simulation)
    data = read(adata, announce=False)
    assessed = train_and_assess(data, triples_split(data, seed), config, seed, device)
    return on_cells_and_truth(assessed, truth, seed, TRIPLES)


def triples_split(data: PerturbSeq, seed: int) -> Split:
    """Hold out what has more than two members; doubles validate, 15 % of what is left."""
    test = {label for label in data.perturbations if len(members_of(label)) > 2}
    rest = set(data.perturbations) - test
    doubles = sorted(label for label in rest if len(members_of(label)) == 2)
    rng = numpy_stream(seed, "benchmark", "triples")
    count = min(schemes.validation_count(len(rest)), len(doubles) // 2)
    validation = {doubles[index] for index in rng.permutation(len(doubles))[:count]}
    draw = schemes.listed(rest - validation, validation, test, rng)
    truth = truth_half(data, seed, None)
    return Split("triples", seed, draw.train, draw.validation, draw.test, draw.groups, truth)


def on_cells_and_truth(assessed: Assessment, truth: Truth, seed: int, group: str) -> DataFrame:
    """Score held-out combinations on cells (`group`) and on the truth (`group`, truth)."""
    import pandas

    groups = dict.fromkeys(assessed.split.test, group)
    cells = group_scores(assessed.report.table, assessed.report.name, groups)
    names = {"representation": f"{group}, representation"}
    of_truth = f"{group}, truth"
    frames = (
        cells.replace({"group": names}),
        against_truth(assessed, truth, seed, of_truth),
        coverage(assessed, truth, of_truth),
    )
    return pandas.concat(frames, ignore_index=True)


def against_truth(assessed: Assessment, truth: Truth, seed: int, group: str = TRUTH) -> DataFrame:
    """Score predicted effects of model, baselines and the measured cells against the truth.

    "measured" is what the held-out cells themselves give; "true sum" adds the true effects of
    the singles, which only interactions can beat.
    """
    labels, gated, target = list(assessed.labels), assessed.gated, assessed.target
    real = truth.effects(target=target).loc[:, assessed.panel.genes]
    true = real.loc[labels].to_numpy()[:, gated]
    trained = real.loc[list(assessed.split.train)].to_numpy()[:, gated]
    predictions = {assessed.report.name: mean_effects(assessed)[:, gated]}
    train = assessed.panel.subset(
        np.concatenate((assessed.parts.train, assessed.parts.train_controls))
    )
    for baseline in fit_baselines(train, target=target, seed=seed):
        predictions[baseline.name] = baseline.effects(labels)[:, gated]
    predictions = with_intercept(predictions)
    predictions["measured"] = _measured(assessed)[:, gated]
    sums = [real.loc[list(members_of(label))].to_numpy().sum(axis=0) for label in labels]
    predictions["true sum"] = np.asarray(sums)[:, gated]
    return effect_rows(group, predictions, true, trained.mean(axis=0), labels)


def mean_effects(assessed: Assessment) -> np.ndarray:
    """Return the model's mean effects [P, G] in the order of labels and genes."""
    wide = assessed.effects.pivot(index="perturbation", columns="gene", values="effect")
    return wide.loc[list(assessed.labels), list(assessed.panel.genes)].to_numpy(dtype=np.float64)


def _measured(assessed: Assessment) -> np.ndarray:
    """Return the effects [P, G] that the held-out cells give, against the truth's controls."""
    observed = read(assessed.observed, announce=False)
    control = observed.is_control
    base = pseudobulk(observed.counts[control], observed.library[control], assessed.target)
    table = effect_table(observed.subset(observed.labels != CONTROL), base, assessed.target)
    return table.effects[[table.row[label] for label in assessed.labels]]


def coverage(assessed: Assessment, truth: Truth, group: str = TRUTH) -> DataFrame:
    """Return how often the true effect of a gene lies in the model's 90 % interval."""
    import pandas

    genes = assessed.panel.genes[assessed.gated]
    real = truth.effects(target=assessed.target)
    table = assessed.effects[assessed.effects["gene"].isin(list(genes))]
    at = zip(table["perturbation"], table["gene"], strict=True)
    true = np.array([real.at[label, gene] for label, gene in at])
    inside = (table["low"].to_numpy() <= true) & (true <= table["high"].to_numpy())
    count = len(assessed.labels)
    row = (group, "coverage_90", assessed.report.name, float(inside.mean()), np.nan, 0.9, count)
    return pandas.DataFrame([row], columns=list(COLUMNS))
