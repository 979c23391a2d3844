from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlog1py, xlogy

from gpjepa.inference.responders import choose_rule, fit_prior, log_weights, posterior
from gpjepa.inference.response_likelihood import FRACTIONS, Evidence
from gpjepa.model.mixture import INDEPENDENT, SHARED


def told(responding: int, cells: int) -> Evidence:
    """Return the evidence of cells of which is known whether they respond."""
    fraction = np.array(FRACTIONS)
    mixed = xlogy(responding, fraction) + xlog1py(cells - responding, -fraction)
    return Evidence(mixed, 0.0 if responding == cells else -5.0 * (cells - responding))


def drawn(mean: float, concentration: float, count: int = 200) -> list[Evidence]:
    rng = np.random.default_rng(0)
    shares = rng.beta(mean * concentration, (1 - mean) * concentration, count)
    return [told(int(rng.binomial(100, share)), 100) for share in shares]


@pytest.mark.parametrize("mean", [0.2, 0.5, 0.8])
def test_the_prior_is_that_of_the_fractions(mean) -> None:
    prior = fit_prior(drawn(mean, 16.0))
    assert prior.mean == pytest.approx(mean, abs=0.026)
    assert 8.0 <= prior.concentration <= 32.0
    assert prior.supported
    assert prior.parameters[0] / sum(prior.parameters) == pytest.approx(prior.mean)


def test_perturbations_that_tell_nothing_do_not_move_the_prior() -> None:
    silent = [Evidence(np.zeros(len(FRACTIONS)), 0.0)] * 100
    assert fit_prior(drawn(0.2, 16.0) + silent).mean == pytest.approx(0.2, abs=0.026)


def test_without_escapers_there_is_no_support() -> None:
    assert not fit_prior([told(100, 100)] * 20).supported


def test_the_posterior_is_the_conjugate_one() -> None:
    prior = fit_prior(drawn(0.5, 16.0))
    first, second = posterior(told(90, 100), prior)
    a, b = prior.parameters
    assert first / (first + second) == pytest.approx((a + 90) / (a + b + 100), abs=0.005)
    assert first + second == pytest.approx(a + b + 100, rel=0.1)


def test_few_cells_are_drawn_to_the_others() -> None:
    prior = fit_prior(drawn(0.5, 64.0))
    few, many = (
        a / (a + b) for a, b in (posterior(told(9, 10), prior), posterior(told(900, 1000), prior))
    )
    assert 0.5 < few < 0.65
    assert many > 0.85


def test_the_rule_of_combinations_is_the_one_that_explains_them() -> None:
    prior = fit_prior(drawn(0.6, 32.0))
    assert choose_rule([told(36, 100)] * 5, [0.36] * 5, prior) == INDEPENDENT
    assert choose_rule([told(60, 100)] * 5, [0.36] * 5, prior) == SHARED
    assert choose_rule([told(36, 100)] * 2, [0.36] * 2, prior) == SHARED


def test_weights_are_a_distribution_even_at_its_bounds() -> None:
    for mean in (0.0, 0.3, 1.0):
        assert np.exp(log_weights(mean, 8.0)).sum() == pytest.approx(1.0)
