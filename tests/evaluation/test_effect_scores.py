"""All effect scores at once: each in its place, on the right genes and reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpjepa.evaluation import effect
from gpjepa.evaluation.effect_scores import (
    EFFECT_METRICS,
    EffectTruth,
    highest,
    list_size,
    score_effects,
)

ROW = {metric.name: index for index, metric in enumerate(EFFECT_METRICS)}


def _truth(seed: int = 0, perturbations: int = 5, genes: int = 200) -> EffectTruth:
    rng = np.random.default_rng(seed)
    control = rng.gamma(2.0, 1.0, size=genes)
    effects = rng.normal(size=(perturbations, genes)) * (rng.random((perturbations, genes)) < 0.4)
    effects += rng.normal(size=effects.shape) * 0.05
    return EffectTruth(
        state=control + effects,
        control=control,
        reference=control + rng.normal(size=genes) * 0.2,
        noise=rng.uniform(0.05, 0.2, size=genes),
        expressed=highest(control, 50),
        significant=np.abs(effects) > 0.5,
    )


def test_the_truth_itself_gets_the_best_value_of_every_metric() -> None:
    truth = _truth()
    scores = score_effects(truth.state, truth.control, truth.significant, truth)
    for metric, values in zip(EFFECT_METRICS, scores, strict=True):
        np.testing.assert_allclose(values, metric.best, atol=1e-12, err_msg=metric.name)


def test_differential_genes_are_the_truths_largest_effects_over_control_noise() -> None:
    truth = _truth()
    rng = np.random.default_rng(1)
    state = truth.state + rng.normal(size=truth.state.shape) * 0.5
    scores = score_effects(state, truth.control, None, truth)
    observed = truth.state - truth.control
    for row in range(5):
        top = np.argsort(-np.abs(observed[row]) / truth.noise)[:20]
        first, second = (state[row] - truth.control)[top], observed[row][top]
        assert scores[ROW["pearson_delta_de20"], row] == pytest.approx(
            effect.pearson(first, second)
        )
        assert scores[ROW["mse_de20_ratio"], row] == pytest.approx(
            ((first - second) ** 2).sum() / (second**2).sum()
        )
        loud = truth.expressed
        assert scores[ROW["r2_perturbed_expressed"], row] == pytest.approx(
            effect.r2(
                (state[row] - truth.reference)[loud], (truth.state[row] - truth.reference)[loud]
            )
        )


def test_lists_hold_at_most_a_fifth_of_the_scored_genes() -> None:
    assert [list_size(39, size) for size in (20, 50, 100)] == [7, 7, 7]
    assert [list_size(5000, size) for size in (20, 50, 100)] == [20, 50, 100]
    assert list_size(2, 20) == 1


def test_no_change_is_neutral_or_worst_and_never_fails() -> None:
    truth = _truth()
    state = np.tile(truth.control, (5, 1))
    nothing = np.zeros(state.shape, dtype=bool)
    scores = score_effects(state, truth.control, nothing, truth)
    for name, value in {
        "pearson_delta": 0,
        "slope": 0,
        "norm_ratio": 0,
        "normalised_mae": 1,
        "mse_de20_ratio": 1,
        "discrimination": 0.5,
        "direction_agreement": 0.5,
        "de_precision": 0,
        "de_recall": 0,
        "overlap_20": 0.1,
    }.items():
        np.testing.assert_allclose(scores[ROW[name]], value, err_msg=name)
    assert np.isfinite(scores).all()


def test_a_biased_control_rewards_the_training_mean_and_the_perturbed_reference_does_not() -> None:
    """Trap: bias in the control mean lifts the mean baseline with no knowledge at all."""
    rng = np.random.default_rng(2)
    truth = _truth(3, perturbations=20)
    bias = rng.normal(size=200)
    state = truth.control + rng.normal(size=(20, 200)) * 0.3
    training = truth.control + rng.normal(size=(30, 200)) * 0.3
    truth = replace(truth, state=state, reference=training.mean(0))
    mean = np.tile(training.mean(0), (20, 1))

    def of_training_mean(control: np.ndarray) -> np.ndarray:
        return score_effects(mean, control, None, replace(truth, control=control)).mean(1)

    fair, biased = of_training_mean(truth.control), of_training_mean(truth.control - bias)
    assert fair[ROW["pearson_delta"]] < 0.3
    assert biased[ROW["pearson_delta"]] > 0.9
    assert fair[ROW["pearson_perturbed"]] == biased[ROW["pearson_perturbed"]] == 0.0


def test_scores_of_calls_are_undefined_without_cells_or_tests() -> None:
    truth = _truth()
    untested = replace(truth, significant=None)
    assert np.isnan(score_effects(truth.state, truth.control, None, truth)[-2:]).all()
    assert np.isnan(score_effects(truth.state, truth.control, None, untested)[-3:]).all()
