from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from gpjepa.model.distributions import (
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
    draw_negative_binomial,
    nonzero_gain,
)

MEANS = (0.01, 0.6, 4.0, 35.0)
DISPERSIONS = (0.1, 0.9, 3.0, 20.0)
ZERO_LOGIT = 0.4


def nb(dtype: torch.dtype = torch.float64) -> NegativeBinomial:
    mean = torch.tensor([MEANS, MEANS[::-1]], dtype=dtype)
    return NegativeBinomial(mean, torch.tensor(DISPERSIONS, dtype=dtype))


def zinb(dtype: torch.dtype = torch.float64) -> ZeroInflatedNegativeBinomial:
    plain = nb(dtype)
    logit = torch.tensor([[-3.0, ZERO_LOGIT, 0.0, 2.0], [5.0, -1.0, -8.0, 0.3]], dtype=dtype)
    return ZeroInflatedNegativeBinomial(plain.mu, plain.dispersion, logit)


def by_scipy(distribution: NegativeBinomial, counts: np.ndarray) -> np.ndarray:
    theta = distribution.dispersion.numpy()
    return stats.nbinom.logpmf(counts, theta, theta / (theta + distribution.mu.numpy()))


@pytest.fixture
def counts() -> torch.Tensor:
    return torch.tensor([[0.0, 1.0, 7.0, 50.0], [40.0, 0.0, 0.0, 2.0]], dtype=torch.float64)


def test_nb_log_likelihood_is_scipys_summed_over_genes(counts) -> None:
    expected = by_scipy(nb(), counts.numpy()).sum(axis=1)
    np.testing.assert_allclose(nb().log_likelihood(counts).numpy(), expected, rtol=1e-6)


def test_nb_log_likelihood_is_that_of_torch_distributions(counts) -> None:
    own = nb()
    logits = own.mu.log() - own.dispersion.log()
    reference = torch.distributions.NegativeBinomial(
        own.dispersion.expand_as(own.mu), logits=logits
    )
    torch.testing.assert_close(
        own.log_likelihood(counts), reference.log_prob(counts).sum(dim=1), rtol=1e-6, atol=0
    )


def test_nb_keeps_its_accuracy_in_single_precision(counts) -> None:
    expected = by_scipy(nb(), counts.numpy()).sum(axis=1)
    single = nb(torch.float32).log_likelihood(counts.float()).numpy()
    np.testing.assert_allclose(single, expected, rtol=1e-5)


def test_zinb_log_likelihood_mixes_scipys_nb_with_a_point_at_zero(counts) -> None:
    own = zinb()
    share = torch.sigmoid(own.zero_logit).numpy()
    mixed = share * (counts.numpy() == 0) + (1 - share) * np.exp(by_scipy(nb(), counts.numpy()))
    np.testing.assert_allclose(
        own.log_likelihood(counts).numpy(), np.log(mixed).sum(axis=1), rtol=1e-6
    )


def test_zinb_without_inflation_is_nb(counts) -> None:
    plain = nb()
    never = ZeroInflatedNegativeBinomial(
        plain.mu, plain.dispersion, torch.full_like(plain.mu, -60.0)
    )
    torch.testing.assert_close(never.log_likelihood(counts), plain.log_likelihood(counts))


@pytest.mark.parametrize("kind", ["nb", "zinb"])
@pytest.mark.parametrize("gene", range(4))
def test_probabilities_of_all_counts_sum_to_one(kind, gene) -> None:
    mean = torch.full((3000, 1), MEANS[gene], dtype=torch.float64)
    dispersion = torch.tensor([DISPERSIONS[gene]], dtype=torch.float64)
    own = (
        NegativeBinomial(mean, dispersion)
        if kind == "nb"
        else ZeroInflatedNegativeBinomial(mean, dispersion, torch.full_like(mean, ZERO_LOGIT))
    )
    every = torch.arange(3000.0, dtype=torch.float64).unsqueeze(1)
    total = own.log_likelihood(every).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-6)


def test_nb_gradients_agree_with_finite_differences(counts) -> None:
    def likelihood(mean: torch.Tensor, dispersion: torch.Tensor) -> torch.Tensor:
        return NegativeBinomial(mean, dispersion).log_likelihood(counts)

    inputs = tuple(x.requires_grad_() for x in (nb().mu, nb().dispersion))
    assert torch.autograd.gradcheck(likelihood, inputs, eps=1e-7, atol=1e-5)


def test_zinb_gradients_agree_with_finite_differences(counts) -> None:
    def likelihood(*parameters: torch.Tensor) -> torch.Tensor:
        return ZeroInflatedNegativeBinomial(*parameters).log_likelihood(counts)

    own = zinb()
    inputs = tuple(x.requires_grad_() for x in (own.mu, own.dispersion, own.zero_logit))
    assert torch.autograd.gradcheck(likelihood, inputs, eps=1e-7, atol=1e-5)


def test_a_large_dispersion_gives_the_poisson_likelihood(counts) -> None:
    mean = nb().mu
    own = NegativeBinomial(mean, torch.full((4,), 1e8, dtype=torch.float64))
    expected = torch.distributions.Poisson(mean).log_prob(counts).sum(dim=1)
    torch.testing.assert_close(own.log_likelihood(counts), expected, rtol=1e-4, atol=0)


def test_a_cell_of_zeros_is_as_likely_as_its_closed_form() -> None:
    own = nb()
    theta, mean = own.dispersion, own.mu
    expected = (theta * torch.log(theta / (theta + mean))).sum(dim=1)
    torch.testing.assert_close(own.log_likelihood(torch.zeros_like(mean)), expected)


def test_a_rate_of_zero_makes_a_positive_count_unlikely_but_finite() -> None:
    own = NegativeBinomial(torch.zeros(1, 1), torch.ones(1))
    assert float(own.log_likelihood(torch.zeros(1, 1))) == 0.0
    assert -1000 < float(own.log_likelihood(torch.ones(1, 1))) < -10


def test_the_gain_is_the_log_ratio_to_a_count_of_zero() -> None:
    own = nb()
    count = torch.tensor([3.0, 9.0, 1.0, 60.0], dtype=torch.float64)
    ratio = by_scipy(own, count.numpy()) - by_scipy(own, np.zeros(4))
    gain = nonzero_gain(count, own.mu[0], own.dispersion)
    np.testing.assert_allclose(gain.numpy(), ratio[0], rtol=1e-6)


@pytest.mark.parametrize("inflation", [None, -1.0, 1.5])
def test_samples_have_the_stated_mean_variance_and_share_of_zeros(inflation) -> None:
    cells = 60_000
    mean = torch.tensor([0.3, 3.0, 20.0]).repeat(cells, 1)
    dispersion = torch.tensor([0.5, 2.0, 8.0])
    plain = NegativeBinomial(mean, dispersion)
    own = plain
    if inflation is not None:
        own = ZeroInflatedNegativeBinomial(mean, dispersion, torch.full_like(mean, inflation))
    drawn = own.sample(torch.Generator().manual_seed(0))
    zero = (dispersion / (dispersion + mean[0])) ** dispersion
    if inflation is not None:
        share = float(torch.sigmoid(torch.tensor(inflation)))
        zero = share + (1 - share) * zero
    error = (own.variance[0] / cells).sqrt()
    assert bool(((drawn.mean(dim=0) - own.mean[0]).abs() < 4 * error).all())
    torch.testing.assert_close(drawn.var(dim=0), own.variance[0], rtol=0.06, atol=0)
    torch.testing.assert_close((drawn == 0).float().mean(dim=0), zero, rtol=0, atol=0.01)
    assert bool((drawn == drawn.round()).all())
    assert float(drawn.min()) == 0.0


def test_moments_follow_from_the_probabilities() -> None:
    every = torch.arange(4000.0, dtype=torch.float64).unsqueeze(1)
    mean = torch.full_like(every, 4.0)
    own = ZeroInflatedNegativeBinomial(
        mean, torch.tensor([0.9], dtype=torch.float64), torch.full_like(every, ZERO_LOGIT)
    )
    chance = own.log_likelihood(every).exp()
    first = float((chance * every[:, 0]).sum())
    second = float((chance * every[:, 0].square()).sum())
    assert float(own.mean[0, 0]) == pytest.approx(first, rel=1e-5)
    assert float(own.variance[0, 0]) == pytest.approx(second - first**2, rel=1e-5)


def test_draws_repeat_for_a_generator_and_differ_between_generators() -> None:
    mean, dispersion = torch.full((40, 5), 3.0), torch.full((5,), 2.0)
    one, again, other = (
        draw_negative_binomial(mean, dispersion, torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
