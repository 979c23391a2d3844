from __future__ import annotations

import pytest
import torch

from gpjepa.model.decoders import CountDecoder
from gpjepa.model.distributions import NegativeBinomial, ZeroInflatedNegativeBinomial

LATENT = 5
RATE = torch.tensor([0.4, 0.3, 0.2, 0.08, 0.02])


def decoder(has_rest: bool = True, hidden: int = 0, distribution="nb") -> CountDecoder:
    torch.manual_seed(0)
    made = CountDecoder(LATENT, RATE, has_rest, hidden, distribution)
    with torch.no_grad():
        made.logits.weight.mul_(10.0)
    return made


@pytest.fixture
def latent() -> torch.Tensor:
    return 2.0 * torch.randn((7, LATENT), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def library() -> torch.Tensor:
    return torch.tensor([120.0, 1.0, 3000.0, 77.0, 5e4, 10.0, 900.0])


OFFSET = torch.tensor([0.5, -1.0, 2.0, 0.0, -0.3])


@pytest.mark.parametrize("hidden", [0, 6])
@pytest.mark.parametrize("offset", [None, OFFSET])
def test_means_of_the_genes_sum_to_the_library_without_a_rest(
    latent, library, hidden, offset
) -> None:
    mean = decoder(has_rest=False, hidden=hidden)(latent, library, offset).mean
    assert mean.shape == (7, 5)
    torch.testing.assert_close(mean.sum(dim=1), library)


@pytest.mark.parametrize("hidden", [0, 6])
@pytest.mark.parametrize("offset", [None, OFFSET])
def test_means_of_genes_and_rest_sum_to_the_library(latent, library, hidden, offset) -> None:
    own = decoder(has_rest=True, hidden=hidden)
    mean = own(latent, library, offset).mean
    rest = own.log_shares(latent, offset)[:, -1].exp() * library
    assert mean.shape == (7, 4)
    assert bool((rest > 1e-4).all())
    torch.testing.assert_close(mean.sum(dim=1) + rest, library)


def test_an_offset_multiplies_the_odds_of_a_gene(latent) -> None:
    own = decoder()
    plain, moved = own.log_shares(latent), own.log_shares(latent, OFFSET)
    odds = (moved[:, 0] - moved[:, 1]) - (plain[:, 0] - plain[:, 1])
    torch.testing.assert_close(odds, (OFFSET[0] - OFFSET[1]).expand(7))


def test_an_untrained_decoder_gives_the_base_rate_at_the_origin() -> None:
    shares = decoder().log_shares(torch.zeros(1, LATENT)).exp()
    torch.testing.assert_close(shares[0], RATE)


def test_a_gene_never_seen_in_training_keeps_a_finite_share() -> None:
    own = CountDecoder(LATENT, torch.tensor([0.0, 1.0]), has_rest=False)
    assert bool(torch.isfinite(own.log_shares(torch.zeros(1, LATENT))).all())


@pytest.mark.parametrize("kind", ["nb", "zinb"])
def test_dispersion_is_one_contiguous_positive_number_per_gene(latent, library, kind) -> None:
    own = decoder(distribution=kind)
    with torch.no_grad():
        own.log_dispersion.copy_(torch.tensor([-2.0, 0.0, 1.0, 3.0]))
    dispersion = own(latent, library).dispersion
    assert dispersion.is_contiguous()
    torch.testing.assert_close(dispersion, torch.tensor([-2.0, 0.0, 1.0, 3.0]).exp())


def test_the_distribution_asked_for_is_the_one_returned(latent, library) -> None:
    assert isinstance(decoder()(latent, library), NegativeBinomial)
    assert isinstance(decoder(distribution="zinb")(latent, library), ZeroInflatedNegativeBinomial)


def test_zero_inflation_starts_small_and_depends_on_the_latent(latent, library) -> None:
    logit = decoder(distribution="zinb")(latent, library).zero_logit.detach()
    assert float(torch.sigmoid(logit).mean()) < 0.1
    assert float(logit.std(dim=0).min()) > 0.0


@pytest.mark.parametrize("kind", ["nb", "zinb"])
def test_mean_shares_are_expected_counts_per_unit_of_library(latent, library, kind) -> None:
    own = decoder(distribution=kind)
    expected = own(latent, library, OFFSET).mean / library.unsqueeze(1)
    torch.testing.assert_close(own.mean_shares(latent, OFFSET), expected)


@pytest.mark.parametrize("kind", ["nb", "zinb"])
@pytest.mark.parametrize("graph", [True, False])
def test_pooled_shares_are_those_of_cells_by_weight(latent, kind, graph) -> None:
    own, weight = decoder(distribution=kind), torch.linspace(0.1, 2.0, len(latent))
    offset = torch.linspace(-1.0, 1.0, len(own.logits.bias))
    with torch.set_grad_enabled(graph):
        genes, classes = (
            pool(latent, weight, offset) for pool in (own.pooled_shares, own.pooled_classes)
        )
        torch.testing.assert_close(genes, weight @ own.mean_shares(latent, offset))
        torch.testing.assert_close(classes, weight @ own.log_shares(latent, offset).exp())
    assert float(classes.sum()) == pytest.approx(float(weight.sum()), rel=1e-5)
    assert genes.requires_grad == graph


def test_the_mean_is_linear_in_the_library(latent, library) -> None:
    own = decoder()
    torch.testing.assert_close(own(latent, 3.0 * library).mean, 3.0 * own(latent, library).mean)


def test_a_cell_without_counts_has_means_of_zero_and_a_usable_gradient(latent) -> None:
    own = decoder()
    distribution = own(latent, torch.zeros(7))
    assert float(distribution.mean.detach().abs().max()) == 0.0
    distribution.log_likelihood(torch.zeros(7, 4)).sum().backward()
    assert bool(torch.isfinite(own.logits.weight.grad).all())


@torch.no_grad()
def test_jacobians_are_those_of_differences_without_gradients_too(latent) -> None:
    own = decoder()
    found = torch.func.jacfwd(own.mean_shares)(latent)[:, :, 0]
    step = torch.zeros_like(latent)
    step[0] = 1e-2 * torch.eye(LATENT)[1]
    apart = (own.mean_shares(latent + step) - own.mean_shares(latent - step)) / 2e-2
    torch.testing.assert_close(found[..., 1], apart, atol=1e-3, rtol=0.0)
