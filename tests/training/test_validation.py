from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gpjepa.training.pipeline import seeded_world_model
from gpjepa.training.validation import make_validation

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tiny, prepared):
    return seeded_world_model(prepared, tiny.make_config(), 0).eval()


@pytest.fixture(scope="module")
def judge(prepared):
    vocabulary, target = prepared.vocabulary, prepared.moments.target
    return make_validation(prepared.controls, prepared.validation, vocabulary, target, 0)


def knowing(judge, predicted: np.ndarray):
    """Return the judge with a model that predicts what it is told."""
    told = replace(judge)
    object.__setattr__(told, "predict", lambda model: predicted)
    return told


def test_the_truth_scores_zero_and_no_change_scores_one(judge, model) -> None:
    truth = judge.observed.effect
    perfect = knowing(judge, truth)(model, CPU)
    assert (perfect["score"], perfect["effect_l2_ratio"], perfect["slope"]) == (0.0, 0.0, 1.0)
    nothing = knowing(judge, np.zeros_like(truth))(model, CPU)
    assert nothing["score"] == pytest.approx(1.0)
    assert nothing["effect_l2_ratio"] == pytest.approx(1.0)


def test_the_slope_is_of_truth_on_prediction(judge, model) -> None:
    shrunk = knowing(judge, 0.5 * judge.observed.effect)(model, CPU)
    assert shrunk["slope"] == pytest.approx(2.0)


def test_the_score_weighs_genes_by_their_standard_errors(judge, model) -> None:
    observed = judge.observed
    predicted = observed.effect.copy()
    predicted[:, 0] += 1.0
    error = np.hypot(observed.error, observed.control_error)
    cost = (1.0 / error[:, 0]) ** 2 / ((observed.effect / error) ** 2).sum(axis=1)
    assert knowing(judge, predicted)(model, CPU)["score"] == pytest.approx(cost.mean())


def test_members_that_nobody_measured_do_not_choose_the_model(judge, model) -> None:
    truth = judge.observed.effect
    predicted = truth.copy()
    predicted[0] += 3.0
    blind = replace(judge, measured=np.array([False, True, True]))
    assert "score" not in knowing(blind, predicted)(model, CPU)  # two are too few
    four = replace(
        judge,
        measured=np.array([False, True, True, True]),
        observed=replace(
            judge.observed,
            labels=(*judge.observed.labels, "again"),
            effect=np.vstack([truth, truth[-1]]),
            error=np.vstack([judge.observed.error, judge.observed.error[-1]]),
        ),
    )
    numbers = knowing(four, np.vstack([predicted, truth[-1]]))(model, CPU)
    assert numbers["score"] == 0.0
    assert numbers["cost_ratio"] > 0.0


def test_without_validation_perturbations_there_are_no_numbers(tiny, data, model) -> None:
    from gpjepa.training.prepare import prepare

    bare = prepare(data, tiny.make_split(data, (), ()), tiny.make_config(), None)
    judge = make_validation(bare.controls, bare.validation, bare.vocabulary, 100.0, 0)
    assert judge(model, CPU) == {}


def test_predictions_are_the_same_each_time_and_leave_the_random_state_alone(judge, model) -> None:
    state = torch.random.get_rng_state()
    assert np.array_equal(judge.predict(model), judge.predict(model))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_model_that_does_not_move_a_cell_predicts_no_change(judge, model, prepared) -> None:
    import copy

    still = copy.deepcopy(model)
    with torch.no_grad():
        still.predictor.transformer.first.weight.zero_()
        still.predictor.transformer.first.bias.zero_()
        still.predictor.transformer.log_variance.weight.zero_()
        still.predictor.transformer.log_variance.bias.fill_(-1e3)
    moved, unmoved = judge.predict(model), judge.predict(still)
    assert np.abs(unmoved).max() < 0.1 * np.abs(moved).max()
