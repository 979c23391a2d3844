from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from gpjepa.model.abduction import (
    abducted_rate,
    counterfactual,
    counterfactual_counts,
    expected_rate,
)
from gpjepa.model.distributions import NegativeBinomial, ZeroInflatedNegativeBinomial
from gpjepa.model.kernels import SWITCH
from gpjepa.model.sparse_counts import sparse_of

CELLS = 60_000
THETA = torch.tensor([0.4, 2.0, 0.4, 2.0, 5.0, 1.5])
BEFORE = torch.tensor([3.0, 6.0, 0.5, 0.2, 0.01, 4.0])
AFTER = torch.tensor([1.0, 5.0, 1.5, 2.0, 1.0, 4.0])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def nb(mean: torch.Tensor, cells: int = CELLS) -> NegativeBinomial:
    return NegativeBinomial(mean.expand(cells, -1).contiguous(), THETA[: mean.shape[-1]])


def by_scipy(mean: float, theta: float, upto: int) -> np.ndarray:
    return stats.nbinom.pmf(np.arange(upto), theta, theta / (theta + mean))


def frequencies(counts: torch.Tensor, upto: int) -> np.ndarray:
    return np.bincount(counts.numpy().astype(int), minlength=upto)[:upto] / len(counts)


@pytest.fixture(params=["compiled", "plain"], autouse=True)
def loops(request, monkeypatch) -> None:
    if request.param == "plain":
        monkeypatch.setenv(SWITCH, "plain")


def test_cells_that_follow_the_model_before_follow_it_after_gene_by_gene() -> None:
    before = nb(BEFORE)
    changed = counterfactual(before.sample(generator()), before, nb(AFTER), generator(1))
    for gene, (mean, theta) in enumerate(zip(AFTER.tolist(), THETA.tolist(), strict=True)):
        expected = by_scipy(mean, theta, 12)
        error = 4.5 * np.sqrt(expected / CELLS) + 1e-4
        found = frequencies(changed[:, gene], 12)
        assert (np.abs(found - expected) < error).all(), (gene, found, expected)


def test_the_cells_own_rates_survive_as_a_correlation_with_what_they_were() -> None:
    before = nb(BEFORE)
    counts = before.sample(generator())
    changed = counterfactual(counts, before, nb(AFTER), generator(1))
    fresh = nb(AFTER).sample(generator(2))
    for gene in (0, 1, 2, 5):
        kept = np.corrcoef(counts[:, gene], changed[:, gene])[0, 1]
        assert kept > 0.5 > 0.05 > abs(np.corrcoef(counts[:, gene], fresh[:, gene])[0, 1])


def test_without_change_counts_stay_what_they_are() -> None:
    counts = nb(BEFORE, 300).sample(generator())
    same = nb(counts.mean(dim=0), 300)
    assert torch.equal(counterfactual(counts, same, same, generator(1)), counts)


@pytest.mark.parametrize("change", [0.3, 2.5])
def test_what_genes_share_beyond_the_model_is_kept(change) -> None:
    shared = torch.exp(0.8 * torch.randn((20_000, 1), generator=generator()) - 0.32)
    counts = torch.poisson(4.0 * shared.expand(-1, 2), generator=generator(1))
    own = NegativeBinomial(torch.full((20_000, 2), 4.0), torch.full((2,), 1 / 0.9))
    moved = NegativeBinomial(own.mu * change, own.dispersion)
    changed = counterfactual(counts, own, moved, generator(2)).numpy()
    expected = np.corrcoef(torch.poisson(4.0 * change * shared.expand(-1, 2)).numpy().T)[0, 1]
    found, fresh = (
        np.corrcoef(cells.T)[0, 1] for cells in (changed, moved.sample(generator(3)).numpy())
    )
    assert found > 0.65 * expected > 10 * abs(fresh)
    if change < 1:  # thinned counts are those of thinned rates, whatever the rates are
        assert found == pytest.approx(expected, abs=0.03)


def test_the_mean_is_the_models_where_cells_do_not_follow_the_model_before() -> None:
    counts = nb(BEFORE * torch.tensor([3.0, 0.2, 0.5, 1.0, 4.0, 0.6])).sample(generator())
    changed = counterfactual(counts, nb(BEFORE), nb(AFTER), generator(1))
    error = changed.std(dim=0) / CELLS**0.5
    assert bool(((changed.mean(dim=0) - AFTER).abs() < 4.5 * error).all())


def test_few_cells_meet_the_mean_up_to_the_noise_of_their_counts() -> None:
    counts = nb(BEFORE, 60).sample(generator())
    means = torch.stack(
        [
            counterfactual(counts, nb(BEFORE, 60), nb(AFTER, 60), generator(s)).mean(dim=0)
            for s in range(200)
        ]
    )
    off = (means.mean(dim=0) / AFTER - 1.0).abs()
    assert bool((off[[0, 1, 3, 4, 5]] < 0.05).all())


def test_a_gene_that_no_cell_shows_is_gained_from_what_the_model_expects() -> None:
    counts = torch.zeros((5000, 1))
    before = NegativeBinomial(torch.full((5000, 1), 0.001), torch.tensor([2.0]))
    after = NegativeBinomial(torch.full((5000, 1), 0.5), torch.tensor([2.0]))
    changed = counterfactual(counts, before, after, generator())
    assert float(changed.mean()) == pytest.approx(0.5, rel=0.1)


def test_inflated_counts_follow_the_inflated_model_after() -> None:
    logits = torch.tensor([[-0.5, 0.8], [1.0, -1.0]])
    means = torch.tensor([[3.0, 2.0], [2.0, 5.0]])
    theta = torch.tensor([1.5, 0.8])
    before, after = (
        ZeroInflatedNegativeBinomial(mean.expand(CELLS, -1), theta, logit.expand(CELLS, -1))
        for mean, logit in zip(means, logits, strict=True)
    )
    changed = counterfactual(before.sample(generator()), before, after, generator(1))
    for gene in range(2):
        lost = float(torch.sigmoid(logits[1, gene]))
        expected = (1 - lost) * by_scipy(float(means[1, gene]), float(theta[gene]), 12)
        expected[0] += lost
        error = 4.5 * np.sqrt(expected / CELLS) + 1e-3
        assert (np.abs(frequencies(changed[:, gene], 12) - expected) < error).all()


def test_a_lost_count_stays_lost_where_as_many_are() -> None:
    mean, logit = torch.full((CELLS, 1), 50.0), torch.zeros((CELLS, 1))
    same = ZeroInflatedNegativeBinomial(mean, torch.tensor([20.0]), logit)
    counts = same.sample(generator())
    changed = counterfactual(counts, same, same, generator(1))
    assert float(((changed > 0) == (counts > 0)).float().mean()) > 0.999


def test_draws_repeat_for_a_generator_and_differ_between_generators() -> None:
    before, after = nb(BEFORE, 50), nb(AFTER, 50)
    counts = before.sample(generator())
    one, again, other = (counterfactual(counts, before, after, generator(s)) for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("inflated", [False, True])
def test_counts_without_zeros_become_what_those_with_them_do(inflated) -> None:
    before, after = nb(BEFORE, 50), nb(AFTER, 50)
    if inflated:
        before, after = (
            ZeroInflatedNegativeBinomial(x.mu, x.dispersion, torch.zeros_like(x.mu))
            for x in (before, after)
        )
    counts = before.sample(generator())
    whole = counterfactual(counts, before, after, generator(1))
    sparse = counterfactual_counts(sparse_of(counts), before, [after], [generator(1)])[0]
    assert torch.equal(sparse.dense(), whole)


@pytest.mark.parametrize("threads", [1, 2])
def test_draws_do_not_depend_on_the_number_of_threads(threads) -> None:
    before, after = nb(BEFORE.repeat(300), 70), nb(AFTER.repeat(300), 70)
    before, after = (NegativeBinomial(x.mu, THETA.repeat(300)) for x in (before, after))
    counts = before.sample(generator())
    known = counterfactual(counts, before, after, generator(1))
    number = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = counterfactual(counts, before, after, generator(1))
    finally:
        torch.set_num_threads(number)
    assert torch.equal(found, known)


def test_abducted_rates_have_the_moments_of_their_posterior() -> None:
    counts = torch.tensor([0.0, 1.0, 9.0, 0.0, 3.0, 7.0]).expand(CELLS, -1)
    model = nb(BEFORE)
    rates = abducted_rate(counts, model, generator())
    shape, inverse = counts[0] + THETA, THETA / BEFORE + 1.0
    torch.testing.assert_close(expected_rate(counts, model)[0], shape / inverse)
    torch.testing.assert_close(rates.mean(dim=0), shape / inverse, rtol=0.03, atol=0)
    torch.testing.assert_close(rates.var(dim=0), shape / inverse.square(), rtol=0.08, atol=0)
