from __future__ import annotations

import numpy as np
import pytest

from gpjepa.training.shrinkage import _posterior, empirical_bayes

NO_ERROR = np.zeros(120)


def simulate(scale: float = 1.0, response: float = 0.05):
    """Return true effects, measurements, their variances and the prior's."""
    rng = np.random.default_rng(0)
    strength = np.exp(rng.normal(0.0, 0.7, 60))
    prior = strength[:, None] * response * np.exp(rng.normal(0.0, 0.7, 120))
    truth = scale * rng.normal(0.0, np.sqrt(prior))
    variance = rng.uniform(0.02, 0.08, prior.shape)
    return truth, truth + rng.normal(0.0, np.sqrt(variance)), variance, prior


def test_shrunk_effects_come_as_near_the_truth_as_with_the_true_variances() -> None:
    truth, effect, variance, prior = simulate()
    oracle = effect * prior / (prior + variance)
    error = np.square(empirical_bayes(effect, variance, NO_ERROR).mean - truth).mean()
    assert error < 1.06 * np.square(oracle - truth).mean()
    assert error < 0.8 * np.square(effect - truth).mean()


def test_simulated_variances_are_recovered() -> None:
    _, effect, variance, prior = simulate(response=0.5)
    found = empirical_bayes(effect, variance, NO_ERROR)
    estimated = found.deviation**2 * variance / (variance - found.deviation**2)
    assert np.corrcoef(np.log(estimated.ravel()), np.log(prior.ravel()))[0, 1] > 0.95
    assert np.median(estimated / prior) == pytest.approx(1.0, abs=0.1)


def test_deviations_are_those_of_the_truth_around_the_mean() -> None:
    truth, effect, variance, _ = simulate(response=0.5)
    found = empirical_bayes(effect, variance, NO_ERROR)
    z = (truth - found.mean) / found.deviation
    assert np.square(z).mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("response", [0.05, 0.5])
def test_z_scores_have_mean_square_one_on_data_from_the_prior(response: float) -> None:
    rng = np.random.default_rng(0)
    strength, responses = rng.uniform(0.3, 3.0, 60), response * rng.uniform(0.3, 3.0, 120)
    truth = rng.normal(0.0, np.sqrt(strength[:, None] * responses))
    variance, control = rng.uniform(0.02, 0.08, truth.shape), np.full(120, 0.09)
    effect = truth + rng.normal(0.0, np.sqrt(variance)) + rng.normal(0.0, np.sqrt(control))
    found = _posterior(effect, variance, control, strength, responses)
    assert np.square((truth - found.mean) / found.deviation).mean() == pytest.approx(1.0, abs=0.04)


def test_z_scores_have_mean_square_near_one_with_the_prior_estimated_from_the_data() -> None:
    truth, effect, variance, _ = simulate(response=0.2)
    error = np.random.default_rng(1).normal(0.0, 0.3, 120)
    found = empirical_bayes(effect + error, variance, np.full(120, 0.09))
    z = (truth - found.mean) / found.deviation
    assert np.square(z).mean() == pytest.approx(1.0, abs=0.1)


def test_of_effects_as_weak_as_the_noise_the_variance_falls_short_by_a_fifth_at_most() -> None:
    truth, effect, variance, _ = simulate(response=0.05)
    found = empirical_bayes(effect, variance, NO_ERROR)
    ratio = np.square(truth - found.mean).mean() / np.square(found.deviation).mean()
    assert 0.9 < ratio < 1.2


def test_a_known_prior_gives_the_posterior_of_the_joint_normal() -> None:
    rng = np.random.default_rng(4)
    strength, response = rng.uniform(0.5, 2.0, 5), rng.uniform(0.1, 1.0, 3)
    variance, control = rng.uniform(0.05, 0.2, (5, 3)), rng.uniform(0.05, 0.2, 3)
    effect = rng.normal(size=(5, 3))
    found = _posterior(effect, variance, control, strength, response)
    for gene in range(3):
        prior = np.diag(strength * response[gene])
        total = prior + np.diag(variance[:, gene]) + control[gene]
        gain = prior @ np.linalg.inv(total)
        assert np.allclose(found.mean[:, gene], gain @ effect[:, gene])
        assert np.allclose(found.deviation[:, gene] ** 2, np.diag(prior - gain @ prior))


def test_a_gene_whose_moment_estimate_is_negative_is_not_stuck_at_zero() -> None:
    rng = np.random.default_rng(5)
    variance = np.full((60, 100), 0.1)
    strength = np.r_[np.full(3, 1.0), np.full(57, 1e-4)]
    effect = rng.normal(0.0, np.sqrt(strength[:, None] + variance))
    effect[:, 0] = np.r_[1.0, -1.0, 1.0, rng.normal(0.0, 0.15, 57)]
    assert (effect[:, 0] ** 2 - variance[:, 0]).mean() < 0
    found = empirical_bayes(effect, variance, np.zeros(100))
    assert np.abs(found.mean[:3, 0]).min() > 0.5


def test_the_error_of_the_control_that_all_measurements_share_is_found_and_removed() -> None:
    truth, effect, variance, _ = simulate()
    error = np.random.default_rng(1).normal(0.0, 0.5, 120)
    found = empirical_bayes(effect + error, variance, np.full(120, 0.25))
    assert np.corrcoef(found.shared, error)[0, 1] > 0.95
    unaware = empirical_bayes(effect + error, variance + 0.25, NO_ERROR)
    gain = np.square(found.mean - truth).mean() / np.square(unaware.mean - truth).mean()
    assert gain < 0.6


def test_a_control_without_error_shares_none() -> None:
    _, effect, variance, _ = simulate()
    assert np.abs(empirical_bayes(effect, variance, NO_ERROR).shared).max() < 1e-4


def test_pure_noise_is_shrunk_to_near_zero() -> None:
    _, effect, variance, _ = simulate(scale=0.0)
    found = empirical_bayes(effect, variance, NO_ERROR)
    assert np.square(found.mean).mean() < 0.05 * np.square(effect).mean()


def test_strong_effects_are_left_as_measured() -> None:
    effect = np.random.default_rng(1).normal(0.0, 1.0, (30, 40))
    found = empirical_bayes(effect, np.full(effect.shape, 1e-4), np.zeros(40))
    assert np.abs(found.mean - effect).max() < 0.02


def test_a_strong_perturbation_is_shrunk_less_than_a_weak_one() -> None:
    rng = np.random.default_rng(2)
    strength = np.r_[np.full(10, 1.0), np.full(10, 1e-4)]
    variance = np.full((20, 200), 0.2)
    effect = rng.normal(0.0, np.sqrt(strength[:, None] + variance))
    trust = empirical_bayes(effect, variance, np.zeros(200)).mean / effect
    assert np.median(trust[:10]) > 0.7
    assert np.median(trust[10:]) < 0.2


def test_the_order_of_perturbations_and_genes_is_irrelevant() -> None:
    _, effect, variance, _ = simulate()
    rng = np.random.default_rng(3)
    rows, columns, error = rng.permutation(60), rng.permutation(120), rng.uniform(0, 0.1, 120)
    there = empirical_bayes(effect, variance, error)
    here = empirical_bayes(effect[rows][:, columns], variance[rows][:, columns], error[columns])
    assert np.allclose(here.mean, there.mean[rows][:, columns], rtol=1e-7, atol=1e-10)
    assert np.allclose(here.deviation, there.deviation[rows][:, columns], rtol=1e-7)
    assert np.allclose(here.shared, there.shared[columns], rtol=1e-7)


def test_what_effects_have_in_common_beyond_the_controls_noise_stays_in_them() -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(0.0, 0.5, 200)
    truth = common + rng.normal(0.0, 0.2, (60, 200))
    variance, control = np.full(truth.shape, 0.02), np.full(200, 0.01)
    error = rng.normal(0.0, 0.1, 200)
    measured = truth + rng.normal(0.0, np.sqrt(variance)) - error
    found = empirical_bayes(measured, variance, control)
    assert np.square(found.shared).mean() < 0.02  # not the 0.26 that effects have in common
    assert np.corrcoef(found.mean.mean(axis=0), common)[0, 1] > 0.95
    left = measured - found.shared - truth
    assert np.square(left.mean(axis=0)).mean() < 1.25 * np.square(error).mean()


def test_the_controls_noise_is_taken_off_where_effects_have_nothing_in_common() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(0.0, 0.3, (60, 200)) * (rng.random((60, 200)) < 0.2)
    variance, control = np.full(truth.shape, 0.02), np.full(200, 0.01)
    error = rng.normal(0.0, 0.1, 200)
    found = empirical_bayes(truth + rng.normal(0.0, np.sqrt(variance)) + error, variance, control)
    assert np.square(error - found.shared).mean() < 0.3 * 0.01
    assert np.square(error - found.shared).mean() == pytest.approx(found.left.mean(), rel=0.5)
