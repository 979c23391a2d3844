"""Contenders predict on the scored genes, with no more cells than the truth has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpjepa.evaluation.baselines import fit_baselines
from gpjepa.evaluation.contenders import (
    MOST_CELLS,
    Contender,
    baseline_contenders,
    cell_numbers,
    model_contender,
)
from gpjepa.evaluation.pair import EvaluationPair, make_pair
from gpjepa.evaluation.pseudobulk import pseudobulk


@pytest.fixture(scope="module")
def pair(oracle: Any, observed: Any, train: Any) -> EvaluationPair:
    return make_pair(oracle, observed, train)


@pytest.fixture(scope="module")
def rivals(pair: EvaluationPair) -> dict[str, Contender]:
    fitted = fit_baselines(pair.train, target=pair.target)
    numbers = cell_numbers(pair)
    return {each.name: each for each in baseline_contenders(pair, fitted, numbers, seed=0)}


def test_the_models_state_is_the_pseudobulk_of_all_its_cells(pair: EvaluationPair) -> None:
    model = model_contender(pair, "model", np.array([5, 5, 5, 5]), seed=0)
    cells = pair.predicted.of("T4")
    expected = pseudobulk(cells.counts, cells.library, pair.target)[pair.gated]
    np.testing.assert_allclose(model.state[2], expected)
    assert [cells.n_cells for cells in model.populations if cells is not None] == [5] * 4


def test_a_baseline_that_does_not_apply_has_no_state_and_no_cells(
    rivals: dict[str, Contender],
) -> None:
    additive = rivals["additive"]
    np.testing.assert_array_equal(additive.applies, [True, True, False, False])
    assert np.isnan(additive.state[2:]).all()
    assert additive.populations[2] is None
    assert additive.populations[0] is not None


def test_no_change_is_the_control_of_the_prediction(
    pair: EvaluationPair, rivals: dict[str, Contender]
) -> None:
    control = pair.prediction_control
    expected = pseudobulk(control.counts, control.library, pair.target)[pair.gated]
    np.testing.assert_allclose(rivals["no change"].state, np.tile(expected, (4, 1)))


def test_cells_sampled_for_a_baseline_have_its_effects(
    pair: EvaluationPair, rivals: dict[str, Contender]
) -> None:
    additive = rivals["additive"]
    cells = additive.populations[0]
    assert cells is not None
    sampled = pseudobulk(cells.counts, cells.library, pair.target) - additive.control
    effect = additive.state[0] - additive.control
    assert np.corrcoef(sampled, effect)[0, 1] > 0.95


def test_numbers_of_cells_are_evened_out_at_the_median(screen: Any) -> None:
    numbers = {"control": 20, "T0": 12, "T1": 14, "T2": 90}
    observed = screen.cells(numbers, seed=5)
    pair = make_pair(observed[20:].copy(), observed)
    np.testing.assert_array_equal(cell_numbers(pair), [12, 14, 14])
    assert MOST_CELLS >= 200
