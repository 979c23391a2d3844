from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gpjepa.model.count_terms import Asked
from gpjepa.model.decoders import CountDecoder
from gpjepa.model.distributions import NegativeBinomial
from gpjepa.model.kernels import SWITCH, available
from gpjepa.model.sparse_counts import SparseCounts, positive

CELLS, GENES, LATENT = 37, 60, 5


def sparse(dense: torch.Tensor) -> SparseCounts:
    cell, gene, value = positive(dense)
    ends = torch.bincount(cell, minlength=len(dense)).cumsum(0)
    starts = torch.cat((ends.new_zeros(1), ends))
    return SparseCounts(starts, gene.int(), value, dense.shape[1])


def problem(has_rest: bool, dtype: torch.dtype, parts: int = 2, hidden: int = 0):
    """Return a decoder, latents and what is asked of them; counts from none to thousands."""
    torch.manual_seed(0)
    rate = torch.rand(GENES + has_rest) ** 4 + 1e-4
    decoder = CountDecoder(LATENT, rate / rate.sum(), has_rest, hidden)
    with torch.no_grad():
        decoder.logits.weight.mul_(10.0)
        decoder.log_dispersion.copy_(torch.linspace(-3.0, 6.0, GENES))
    decoder = decoder.to(dtype)
    library = torch.cat((torch.logspace(0, 5, CELLS - 1), torch.zeros(1)))
    mean = rate[:GENES] / rate.sum() * library.unsqueeze(1)
    counts = torch.poisson(mean * torch.rand(mean.shape) * 2.0)
    latent = torch.randn((parts + 1) * CELLS, LATENT).to(dtype)
    group = torch.arange(CELLS) % 3
    asked = Asked(
        SparseCounts(*_parts(sparse(counts), dtype)),
        library.to(dtype),
        parts,
        torch.rand(2 * CELLS).to(dtype),
        torch.cat((group, group + 3)),
        6,
    )
    return decoder, latent.requires_grad_(), asked


def _parts(counts: SparseCounts, dtype: torch.dtype):
    return counts.starts, counts.gene, counts.value.to(dtype), counts.genes


def outcome(decoder: CountDecoder, latent: torch.Tensor, asked: Asked) -> list[torch.Tensor]:
    """Return both terms and the gradients of a sum that weighs all of them differently."""
    likelihood, pooled = decoder.terms(latent, asked)
    weight = torch.linspace(0.5, 2.0, pooled.numel()).to(pooled).view(pooled.shape)
    total = (likelihood * torch.tensor([1.0, 0.3]).to(likelihood)[: len(likelihood)]).sum()
    total = total + 50.0 * (pooled * weight).sum()
    parameters = [latent, *decoder.parameters()]
    return [likelihood.detach(), pooled.detach(), *torch.autograd.grad(total, parameters)]


@pytest.mark.parametrize("has_rest", [False, True])
@pytest.mark.parametrize("hidden", [0, 7])
def test_compiled_terms_and_gradients_are_those_of_plain_torch(has_rest, hidden) -> None:
    pytest.importorskip("numba")
    found = outcome(*problem(has_rest, torch.float32, hidden=hidden))
    expected = outcome(*problem(has_rest, torch.float64, hidden=hidden))
    for one, other in zip(found, expected, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(one.double(), other, rtol=2e-5, atol=2e-6 * scale)


@pytest.mark.parametrize("parts", [1, 2])
def test_plain_terms_are_likelihoods_and_weighted_sums_to_a_millionth(parts, monkeypatch) -> None:
    monkeypatch.setenv(SWITCH, "plain")
    decoder, latent, asked = problem(True, torch.float64, parts)
    likelihood, pooled = decoder.terms(latent, asked)
    shares = decoder.log_shares(latent.double()).exp()[:, :GENES]
    for part in range(parts):
        mean = shares[part * CELLS : (part + 1) * CELLS] * asked.library.unsqueeze(1)
        own = NegativeBinomial(mean, decoder.log_dispersion.exp())
        whole = own.log_likelihood(asked.counts.dense()).mean()
        torch.testing.assert_close(likelihood[part], whole, rtol=1e-6, atol=0)
    start = len(latent) - 2 * CELLS
    for group in range(6):
        rows = torch.nonzero(asked.group == group).squeeze(1)
        expected = (shares[start + rows] * asked.weight[rows].unsqueeze(1)).sum(dim=0)
        torch.testing.assert_close(pooled[group], expected, rtol=1e-6, atol=0)


def test_the_number_of_threads_changes_no_digit() -> None:
    pytest.importorskip("numba")
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            decoder, latent, asked = problem(True, torch.float32)
            found.append(decoder.terms(latent, asked))
    finally:
        torch.set_num_threads(before)
    for likelihood, pooled in found[1:]:
        assert torch.equal(likelihood, found[0][0])
        assert torch.equal(pooled, found[0][1])


def test_a_second_derivative_pass_is_refused() -> None:
    pytest.importorskip("numba")
    decoder, latent, asked = problem(True, torch.float32)
    total = decoder.terms(latent, asked)[0].sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once"):
        total.backward()


@pytest.mark.parametrize("has_rest", [False, True])
def test_compiled_means_are_those_of_plain_torch(has_rest, monkeypatch) -> None:
    decoder, latent, asked = problem(has_rest, torch.float32)
    offset = torch.randn(GENES + has_rest)
    with torch.no_grad():
        found = decoder(latent[:CELLS], asked.library, offset).mean
        monkeypatch.setenv(SWITCH, "plain")
        plain = decoder(latent[:CELLS], asked.library, offset).mean
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-10)


def test_the_switch_turns_the_compiled_loops_off(monkeypatch) -> None:
    monkeypatch.setenv(SWITCH, "plain")
    assert not available(torch.zeros(1))
    monkeypatch.delenv(SWITCH)
    assert not available(torch.zeros(1, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_likelihoods_without_groups_are_those_with_them(dtype) -> None:
    decoder, latent, asked = problem(False, dtype, parts=2)
    alone = replace(asked, weight=asked.weight[:0], group=asked.group[:0], groups=0)
    likelihood, pooled = decoder.terms(latent[: 2 * CELLS], alone)
    expected, _ = decoder.terms(latent, asked)
    torch.testing.assert_close(likelihood, expected)
    assert pooled.shape == (0, GENES)
    (gradient,) = torch.autograd.grad(likelihood.sum(), latent)
    assert bool((gradient[: CELLS - 1] != 0).any(dim=1).all())  # the last cell has no counts
    assert not bool(gradient[2 * CELLS :].any())
