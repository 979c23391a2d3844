from __future__ import annotations

import pytest
import torch

pytest.importorskip("numba")

from gpjepa.model.decoded import DecodedCounts, finite
from gpjepa.model.decoders import CountDecoder
from gpjepa.model.distributions import NegativeBinomial
from gpjepa.model.kernels import SWITCH


def made(has_rest: bool = True, **options):
    torch.manual_seed(0)
    decoder = CountDecoder(6, torch.full((41,), 1 / 41), has_rest, **options)
    return decoder, torch.randn(150, 6), torch.rand(150) * 1000 + 10


@pytest.mark.parametrize("hidden", [0, 9])
@pytest.mark.parametrize("has_rest", [True, False])
@torch.no_grad()
def test_rates_are_the_decoders(has_rest, hidden) -> None:
    decoder, latent, library = made(has_rest, hidden=hidden)
    offset = torch.linspace(-1, 1, 41)
    found, known = decoder.read_once(latent, library, offset), decoder(latent, library, offset)
    assert isinstance(found, DecodedCounts)
    torch.testing.assert_close(found.mean, known.mean)
    torch.testing.assert_close(found.variance, known.variance)
    counts = known.sample(torch.Generator().manual_seed(0))
    assert torch.equal(found.sample(torch.Generator().manual_seed(0)), counts)
    torch.testing.assert_close(found.log_likelihood(counts), known.log_likelihood(counts))
    assert isinstance(found.plain, NegativeBinomial)


@torch.no_grad()
def test_levels_make_rates_of_logits() -> None:
    decoder, latent, library = made()
    found = decoder.read_once(latent, library)
    assert isinstance(found, DecodedCounts)
    top, scale = torch.from_numpy(found.levels).unsqueeze(2)
    rates = torch.exp(decoder.logits(latent) - top) * scale
    torch.testing.assert_close(rates[:, :40], decoder(latent, library).mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hidden", [0, 9])
@torch.no_grad()
def test_totals_are_sums_of_the_rates_of_all_classes(hidden) -> None:
    decoder, latent, library = made(hidden=hidden)
    offset = torch.linspace(-1, 1, 41)
    found = decoder.read_once(latent, library, offset)
    assert isinstance(found, DecodedCounts)
    expected = library.double() @ decoder.log_shares(latent, offset).double().exp()
    torch.testing.assert_close(found.total().double(), expected, rtol=3e-6, atol=0.0)
    torch.testing.assert_close(found.total()[:40], found.mean.sum(dim=0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("options", [{}, {"distribution": "zinb"}])
@torch.no_grad()
def test_rates_that_are_not_finite_are_found(options, value) -> None:
    decoder, latent, library = made(**options)
    assert finite(decoder.read_once(latent, library))
    latent[140, 2] = value
    assert not finite(decoder.read_once(latent, library))


def test_rates_are_made_at_once_where_they_cannot_be_made_when_read(monkeypatch) -> None:
    decoder, latent, library = made()
    assert isinstance(decoder.read_once(latent, library), NegativeBinomial)  # has a gradient
    with torch.no_grad():
        monkeypatch.setenv(SWITCH, "plain")
        assert isinstance(decoder.read_once(latent, library), NegativeBinomial)
