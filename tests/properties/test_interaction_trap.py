"""The noise of members and control makes interactions agree where there are none; not with ours.

Label and prediction of an interaction both contain the measured members and control. Simulated
here: doubles that are exactly the sum of their singles on the scale of the effects, in noisy
cells. The naive comparison uses the same cells for the label and for what is subtracted from a
prediction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gpjepa.evaluation.baselines import Baseline, fit_baselines
from gpjepa.evaluation.bootstrap import bootstrap_mean
from gpjepa.evaluation.effect import pearson
from gpjepa.evaluation.interaction_rows import ALL_CELLS, interaction_rows
from gpjepa.evaluation.interactions import (
    average_precision,
    interacting_genes,
    interaction_error,
    state_interaction,
)
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.pseudobulk import group_pseudobulk, group_standard_error, pseudobulk

GENES = 120
LIBRARY = 1000.0
SINGLES = tuple(f"T{index}" for index in range(8))
DOUBLES = tuple(f"{a}+{b}" for a, b in combinations(SINGLES, 2))
SEEDS = (0, 1, 2, 3)


@dataclass(frozen=True, eq=False, repr=False)
class Screen:
    """Cells of singles, doubles and control, whose doubles add up but for `strength`."""

    seed: int
    strength: float
    effects: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        draw = np.random.default_rng(self.seed)
        base = np.log1p(draw.gamma(1.0, 1.2, GENES) + 1.2)
        own = {
            single: draw.uniform(-0.35, 0.35, GENES) * (draw.random(GENES) < 0.5)
            for single in SINGLES
        }
        sums = {d: own[d.split("+")[0]] + own[d.split("+")[1]] for d in DOUBLES}
        extra = {
            d: self.strength * draw.normal(size=GENES) * (draw.random(GENES) < 0.2) for d in sums
        }
        self.effects.update({"control": base, **{s: base + own[s] for s in SINGLES}})
        self.effects.update({d: base + sums[d] + extra[d] for d in DOUBLES})
        self.effects.update({f"sum of {d}": base + sums[d] for d in DOUBLES})

    def cells(self, numbers: dict[str, int], stream: int) -> anndata.AnnData:
        draw = np.random.default_rng([self.seed, stream])
        blocks, labels = [], []
        for label, number in numbers.items():
            mean = np.maximum(np.expm1(self.effects[label]), 0.0)
            rate = mean * draw.gamma(3.0, 1 / 3, size=(number, GENES))
            blocks.append(draw.poisson(rate))
            labels += [label] * number
        obs = pd.DataFrame({"perturbation": labels, "total_counts": LIBRARY})
        obs.index = [f"{stream}_{index}" for index in range(len(labels))]
        counts = sparse.csr_matrix(np.concatenate(blocks).astype(np.float32))
        return anndata.AnnData(
            counts, obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(GENES)])
        )

    @cached_property
    def pair(self) -> EvaluationPair:
        singles, trained = dict.fromkeys(SINGLES, 80), dict.fromkeys(DOUBLES[1::2], 80)
        train = self.cells({"control": 300, **singles, **trained}, 1)
        observed = self.cells({"control": 300, **dict.fromkeys(DOUBLES[::2], 80)}, 2)
        predicted = self.cells(dict.fromkeys(DOUBLES[::2], 10), 3)
        return make_pair(predicted, observed, train, target=LIBRARY)

    @cached_property
    def baselines(self) -> tuple[Baseline, ...]:
        return fit_baselines(self.pair.train, target=LIBRARY)

    def states(self, what: str) -> np.ndarray:
        """Return what is predicted: the exact sum, nothing, or the truth."""
        labels, gated = self.pair.perturbations, self.pair.gated
        if what == "nothing":
            return np.tile(self.control, (len(labels), 1))
        name = "sum of " if what == "sum" else ""
        return np.stack([self.effects[f"{name}{label}"][gated] for label in labels])

    @cached_property
    def control(self) -> np.ndarray:
        cells = self.pair.prediction_control.genes(self.pair.gated)
        return pseudobulk(cells.counts, cells.library, LIBRARY)

    def naive(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return predicted and measured interactions with shared cells, and the labels."""
        pair, train = self.pair, self.pair.train
        genes, labels = np.flatnonzero(pair.gated), pair.perturbations
        place = {single: index for index, single in enumerate(SINGLES)}
        codes = np.array([place.get(label, -1) for label in train.labels])
        rows = np.array([[place[member] for member in label.split("+")] for label in labels])
        members = (train.counts[:, genes], train.library, codes, len(SINGLES), LIBRARY)
        seen = pair.observed.genes(pair.gated)
        doubles = (seen.counts, seen.library, seen.codes(labels), len(labels), LIBRARY)
        singles = group_pseudobulk(*members)[rows]
        measured = state_interaction(group_pseudobulk(*doubles), singles, self.control)
        spread = group_standard_error(*members)[rows]
        error = interaction_error(group_standard_error(*doubles), spread, np.zeros(len(genes)))
        predicted = state_interaction(state, singles, self.control)
        return predicted, measured, interacting_genes(measured, error)

    def ours(self, state: np.ndarray, baselines: bool) -> pd.DataFrame:
        fitted = self.baselines if baselines else ()
        frames, _ = interaction_rows(self.pair, state, fitted, "given", self.seed)
        return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def additive() -> list[Screen]:
    return [Screen(seed, 0.0) for seed in SEEDS]


@pytest.fixture(scope="module")
def interacting() -> list[Screen]:
    return [Screen(seed, 0.4) for seed in SEEDS]


def per_double(tables: list[pd.DataFrame], metric: str, model: str) -> np.ndarray:
    """Return the scores of all doubles minus what chance gets."""
    rows = pd.concat(tables)
    rows = rows[(rows["metric"] == metric) & (rows["model"] == model)]
    rows = rows[rows["perturbation"] != "all"].dropna(subset=["value"])
    return (rows["value"] - rows["floor"]).to_numpy()


def covers_chance(values: np.ndarray) -> bool:
    low, high = bootstrap_mean(values, seed=0, level=0.99)
    return low <= 0.0 <= high


def test_the_naive_correlation_finds_interactions_under_pure_additivity(additive):
    for what, least in (("nothing", 0.25), ("sum", 0.7)):
        found = [pearson(*screen.naive(screen.states(what))[:2]) for screen in additive]
        assert np.mean(found) > least


def test_our_correlation_finds_none_under_pure_additivity(additive):
    for what in ("nothing", "sum"):
        tables = [screen.ours(screen.states(what), baselines=False) for screen in additive]
        assert covers_chance(per_double(tables, "interaction_pearson", "given"))


def test_no_baseline_gets_above_chance_under_pure_additivity(additive):
    tables = [screen.ours(screen.states("sum"), baselines=True) for screen in additive]
    shown = {screen.name for screen in additive[0].baselines} - {"linear"}
    for model in sorted(shown):
        assert covers_chance(per_double(tables, "interaction_pearson", model)), model


def test_a_sum_of_the_cells_that_label_can_only_lose(additive):
    tables = [screen.ours(screen.states("sum"), baselines=True) for screen in additive]
    assert per_double(tables, "interaction_pearson", f"additive{ALL_CELLS}").mean() < -0.3


def test_the_naive_precision_rewards_a_model_that_knows_no_interaction(interacting):
    gains = []
    for screen in interacting:
        predicted, _, genes = screen.naive(screen.states("sum"))
        for size, labels in zip(np.abs(predicted), genes, strict=True):
            chance = average_precision(np.zeros(len(labels)), labels)
            gains.append(average_precision(size, labels) - chance)
    low, _ = bootstrap_mean(np.array(gains)[~np.isnan(gains)], seed=0)
    assert low > 0.02


def test_our_precision_does_not_and_still_sees_the_truth(interacting):
    tables = [screen.ours(screen.states("sum"), baselines=True) for screen in interacting]
    for model in ("given", "no change", "additive", "scaled additive"):
        assert covers_chance(per_double(tables, "interaction_auprc", model)), model
    assert per_double(tables, "interaction_auprc", f"additive{ALL_CELLS}").mean() < 0.0
    tables = [screen.ours(screen.states("truth"), baselines=False) for screen in interacting]
    assert per_double(tables, "interaction_auprc", "given").mean() > 0.5
    assert per_double(tables, "interaction_pearson", "given").mean() > 0.4
