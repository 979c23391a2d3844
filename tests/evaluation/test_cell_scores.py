"""Scores of cells: significant genes, and populations at equal numbers of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from gpjepa.evaluation.bounds import replicates
from gpjepa.evaluation.cell_scores import (
    CellHalves,
    cell_halves,
    score_populations,
    significant_genes,
)
from gpjepa.evaluation.generative import GENERATIVE_METRICS
from gpjepa.evaluation.pair import EvaluationPair, make_pair


@pytest.fixture(scope="module")
def pair(oracle: Any, observed: Any, train: Any) -> EvaluationPair:
    return make_pair(oracle, observed, train)


@pytest.fixture(scope="module")
def halves(pair: EvaluationPair) -> CellHalves:
    observed, controls = pair.observed.genes(pair.gated), pair.controls.genes(pair.gated)
    (half,) = replicates(observed, controls, pair.perturbations, pair.target, splits=1)
    numbers = np.array([60, 60, 20, 60])
    rng = np.random.default_rng(0)
    return cell_halves(half, observed, controls, pair.perturbations, numbers, rng)


def test_halves_hold_the_right_cells_and_at_most_half_of_the_numbers(
    pair: EvaluationPair, halves: CellHalves
) -> None:
    assert [cells.n_cells for cells in halves.first] == [30, 30, 10, 30]
    assert [cells.n_cells for cells in halves.second] == [30, 30, 10, 30]
    for label, cells in zip(pair.perturbations, halves.second, strict=True):
        assert set(cells.labels) == {label}
    assert halves.first_control.n_cells == halves.second_control.n_cells == 150


def test_significant_genes_are_wilcoxon_calls_at_five_percent_false_discovery(
    pair: EvaluationPair,
) -> None:
    cells, control = pair.observed.of("T4"), pair.truth_control
    calls = significant_genes([cells, None], control)
    first, second = (side.counts.toarray() / side.library[:, None] for side in (cells, control))
    expressed = np.flatnonzero(first.any(0) | second.any(0))
    pvalues = np.ones(first.shape[1])
    for gene in expressed:
        pvalues[gene] = stats.mannwhitneyu(
            first[:, gene], second[:, gene], method="asymptotic"
        ).pvalue
    np.testing.assert_array_equal(calls[0], stats.false_discovery_control(pvalues) < 0.05)
    assert 5 < calls[0].sum() < 40
    assert not calls[1].any()


def test_the_true_population_is_nearer_than_another_perturbations(
    pair: EvaluationPair, halves: CellHalves
) -> None:
    cells = [pair.predicted.genes(pair.gated).of(label) for label in pair.perturbations]
    control = pair.prediction_control.genes(pair.gated)
    own = score_populations(cells, [halves], control, pair.target, seed=0)
    swapped = score_populations(cells[::-1], [halves], control, pair.target, seed=0)
    energy = [metric.name for metric in GENERATIVE_METRICS].index("energy_distance")
    assert (own[energy] < 0.5 * swapped[energy]).all()


def test_more_predicted_cells_do_not_change_the_number_that_is_compared(
    pair: EvaluationPair, halves: CellHalves
) -> None:
    """The V-statistic falls with the number of cells; a flood of cells must gain nothing."""
    genes = pair.predicted.genes(pair.gated)
    cells = [genes.of(label) for label in pair.perturbations]
    few = [each.take(np.arange(40)) for each in cells]
    control = pair.prediction_control.genes(pair.gated)
    scores = [
        score_populations(each, [halves], control, pair.target, seed=0)[0] for each in (few, cells)
    ]
    assert np.mean(scores[1]) == pytest.approx(np.mean(scores[0]), rel=0.1)


def test_without_two_cells_or_a_population_the_score_is_undefined(
    pair: EvaluationPair, halves: CellHalves
) -> None:
    cells = pair.predicted.genes(pair.gated).of("T0+T1")
    control = pair.prediction_control.genes(pair.gated)
    given = [None, cells.take(np.array([0])), cells, cells]
    scores = score_populations(given, [halves], control, pair.target, seed=0)
    assert np.isnan(scores[:, :2]).all()
    assert np.isfinite(scores[:, 2:]).all()
