from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.model.distributions import NegativeBinomial
from gpjepa.objectives.generative import (
    group_weights,
    kl_term,
    negative_log_likelihood,
    population_term,
)

CELLS, GENES = 6, 5


def pooled_by(values: torch.Tensor, weight: torch.Tensor, group: torch.Tensor, groups: int):
    """Return the sums of the rows of each group, weighted by their shares of it."""
    shares = group_weights(weight, group, groups)
    return torch.zeros(groups, GENES).index_add(0, group, values * shares[:, None])


@pytest.fixture
def distribution() -> NegativeBinomial:
    mean = 3.0 * torch.rand((CELLS, GENES), generator=torch.Generator().manual_seed(0)) + 0.2
    return NegativeBinomial(mean, torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0]))


@pytest.fixture
def counts(distribution) -> torch.Tensor:
    return distribution.sample(torch.Generator().manual_seed(1))


@pytest.fixture
def kl() -> torch.Tensor:
    return torch.rand((CELLS, GENES), generator=torch.Generator().manual_seed(2))


def test_the_likelihood_term_sums_over_genes_and_averages_over_cells(counts, distribution) -> None:
    logits = distribution.mu.log() - distribution.dispersion.log()
    reference = torch.distributions.NegativeBinomial(distribution.dispersion, logits=logits)
    nats = -reference.log_prob(counts).sum() / CELLS
    torch.testing.assert_close(negative_log_likelihood(counts, distribution), nats)


def test_doubling_the_genes_doubles_the_likelihood_term(counts, distribution) -> None:
    twice = NegativeBinomial(distribution.mu.repeat(1, 2), distribution.dispersion.repeat(2))
    once = negative_log_likelihood(counts, distribution)
    torch.testing.assert_close(negative_log_likelihood(counts.repeat(1, 2), twice), 2.0 * once)


def test_doubling_the_cells_changes_neither_likelihood_nor_kl(counts, distribution, kl) -> None:
    twice = NegativeBinomial(distribution.mu.repeat(2, 1), distribution.dispersion)
    once = negative_log_likelihood(counts, distribution)
    torch.testing.assert_close(negative_log_likelihood(counts.repeat(2, 1), twice), once)
    torch.testing.assert_close(kl_term(kl.repeat(2, 1), 0.1), kl_term(kl, 0.1))


def test_the_kl_term_sums_over_dimensions_and_averages_over_cells(kl) -> None:
    torch.testing.assert_close(kl_term(kl, 0.0), kl.sum() / CELLS)
    torch.testing.assert_close(kl_term(kl.repeat(1, 2), 0.0), 2.0 * kl_term(kl, 0.0))


def test_free_bits_charge_each_dimension_at_least_its_floor() -> None:
    kl = torch.tensor([[0.1, 2.0, 0.0], [0.3, 4.0, 0.0]])
    assert float(kl_term(kl, 0.5)) == pytest.approx(0.5 + 3.0 + 0.5)
    # The floor is on the average over cells, so one cell below it is still pressed.
    assert float(kl_term(kl, 0.2)) == pytest.approx(0.2 + 3.0 + 0.2)


def test_dimensions_below_the_free_bits_are_not_pressed() -> None:
    kl = torch.tensor([[0.1, 2.0], [0.3, 4.0]], requires_grad=True)
    kl_term(kl, 0.5).backward()
    assert kl.grad.tolist() == [[0.0, 0.5], [0.0, 0.5]]


def test_group_means_are_numpys_weighted_averages(counts) -> None:
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    group = torch.tensor([2, 0, 2, 0, 2, 0])
    found = pooled_by(counts, weight, group, 3).numpy()
    for index in (0, 2):
        rows = (group == index).numpy()
        expected = np.average(counts.numpy()[rows], axis=0, weights=weight.numpy()[rows])
        np.testing.assert_allclose(found[index], expected, rtol=1e-6)
    assert found[1].tolist() == [0.0] * GENES  # nothing was drawn of this group


def test_group_means_of_shares_by_library_are_the_pooled_shares(counts) -> None:
    library = counts.sum(dim=1)
    shares = counts / library.unsqueeze(1)
    pooled = counts.sum(dim=0) / library.sum()
    found = pooled_by(shares, library, torch.zeros(CELLS, dtype=torch.long), 1)
    torch.testing.assert_close(found[0], pooled)


TARGET = 200.0


def nats_of(predicted: torch.Tensor, observed: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """Return the term of shares whose effect on log1p counts per `TARGET` is `predicted`."""
    control = torch.rand(predicted.shape, generator=torch.Generator().manual_seed(8))
    perturbed = torch.expm1(predicted + torch.log1p(TARGET * control)) / TARGET
    return population_term(perturbed, control, observed, error, TARGET)


def test_the_population_term_is_half_a_squared_z_score_summed_over_genes() -> None:
    predicted = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    observed = torch.tensor([[0.0, 2.0], [3.0, 1.0]])
    error = torch.tensor([[0.5, 1.0], [3.0, 0.1]])
    assert nats_of(predicted, observed, error).tolist() == pytest.approx(
        [0.5 * 4.0, 0.5 * (1.0 + 100.0)], rel=1e-4
    )


def test_the_population_term_is_a_gaussian_likelihood_above_its_floor() -> None:
    generator = torch.Generator().manual_seed(3)
    predicted, observed = (torch.randn((3, GENES), generator=generator) for _ in range(2))
    error = torch.rand((3, GENES), generator=generator) + 0.1
    normal = torch.distributions.Normal(predicted, error)
    nats = (normal.log_prob(predicted) - normal.log_prob(observed)).sum(dim=1)
    torch.testing.assert_close(nats_of(predicted, observed, error), nats, rtol=1e-4, atol=1e-4)


def test_the_gradient_of_the_population_term_is_that_of_its_formula() -> None:
    generator = torch.Generator().manual_seed(4)
    draw = torch.rand((4, 3, GENES), generator=generator, dtype=torch.float64)
    perturbed, control, observed = (part.requires_grad_() for part in draw[:3].unbind())
    error, weight = draw[3] + 0.1, torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    effect = torch.log1p(TARGET * perturbed) - torch.log1p(TARGET * control)
    expected = 0.5 * ((effect - observed) / error).square().sum(dim=1)
    found = population_term(perturbed, control, observed, error, TARGET)
    torch.testing.assert_close(found, expected)
    one, other = (
        torch.autograd.grad((nats * weight).sum(), [perturbed, control])
        for nats in (found, expected)
    )
    torch.testing.assert_close(one, other)
