"""The observed side: states, standard errors, references and replicate scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpjepa.evaluation.contenders import cell_numbers
from gpjepa.evaluation.effect_scores import EFFECT_METRICS
from gpjepa.evaluation.measured import Measured, measure
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.pseudobulk import pseudobulk, standard_error

ROW = {metric.name: index for index, metric in enumerate(EFFECT_METRICS)}


@pytest.fixture(scope="module")
def pair(oracle: Any, observed: Any, train: Any) -> EvaluationPair:
    return make_pair(oracle, observed, train)


@pytest.fixture(scope="module")
def measured(pair: EvaluationPair) -> Measured:
    return measure(pair, cell_numbers(pair), seed=0)


def test_truth_is_referred_to_its_own_controls_and_to_the_mean_of_training(
    pair: EvaluationPair, measured: Measured
) -> None:
    control, train = pair.truth_control, pair.train
    np.testing.assert_allclose(
        measured.truth.control, pseudobulk(control.counts, control.library, pair.target)[pair.gated]
    )
    states = [
        pseudobulk(train.counts[mask], train.library[mask], pair.target)
        for label in train.perturbations
        for mask in [np.flatnonzero(train.labels == label)]
    ]
    np.testing.assert_allclose(measured.truth.reference, np.mean(states, axis=0)[pair.gated])


def test_the_standard_error_of_an_effect_has_both_parts(
    pair: EvaluationPair, measured: Measured
) -> None:
    cells, control = pair.observed.of("T4"), pair.truth_control
    parts = [standard_error(s.counts, s.library, pair.target) for s in (cells, control)]
    expected = np.sqrt(parts[0] ** 2 + parts[1] ** 2)[pair.gated]
    np.testing.assert_allclose(measured.effect_se[2], expected)


def test_replicates_of_strong_effects_agree_and_stay_below_the_best_value(
    measured: Measured,
) -> None:
    r = measured.replicate_effects[:, ROW["pearson_delta"]].mean()
    assert 0.9 < r < 0.99
    distance = measured.replicate_effects[:, ROW["l2"]]
    assert (distance > 0.3).all()


def test_significance_is_tested_on_the_first_splits_only(measured: Measured) -> None:
    recall = measured.replicate_effects[:, ROW["de_recall"]]
    assert np.isfinite(recall[: len(measured.halves)]).all()
    assert np.isnan(recall[len(measured.halves) :]).all()


def test_a_perturbation_of_one_cell_has_no_replicate_and_disturbs_no_other(screen: Any) -> None:
    observed = screen.cells({"control": 60, "T0": 40, "T1": 40, "T2": 1}, seed=5)
    pair = make_pair(observed[60:].copy(), observed)
    measured = measure(pair, cell_numbers(pair), seed=0)
    assert np.isnan(measured.replicate_effects[:, :, 2]).all()
    assert np.isnan(measured.effect_se[2]).all()
    assert np.isfinite(measured.replicate_effects[:, ROW["discrimination"], :2]).all()
