from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from gpjepa.model.attention import FEW, AttentionBlock, attention
from gpjepa.model.kernels import SWITCH


@pytest.fixture(params=["compiled", "plain"])
def loops(request, monkeypatch) -> str:
    if request.param == "plain":
        monkeypatch.setenv(SWITCH, "plain")
    return request.param


def made(rows: int, tokens: int, width: int, heads: int) -> tuple[AttentionBlock, Tensor, Tensor]:
    torch.manual_seed(rows + tokens)
    block = AttentionBlock(width, heads)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    present = torch.rand((rows, tokens)) < 0.6
    present[:, 1] = True
    return block, torch.randn((rows, tokens, width)), present


def attention_by_formula(qkv: Tensor, heads: int, present: Tensor) -> Tensor:
    """softmax(Q Kᵀ/√D) V of each head, tokens that are absent left out."""
    query, key, value = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in qkv.chunk(3, dim=2))
    score = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
    score = score.masked_fill(~present[:, None, None, :], -torch.inf)
    return (score.softmax(dim=3) @ value).transpose(1, 2).flatten(2)


def by_formula(block: AttentionBlock, tokens: Tensor, present: Tensor) -> Tensor:
    """The block in double precision; `block` is too."""
    seen = attention_by_formula(block.qkv(block.norm(tokens)), block.heads, present)
    tokens = tokens + block.merge(seen)
    return tokens + block.mlp(tokens)


def block_of(looking: int | None):
    """Return how a block is called of whose tokens so many look."""

    def way(block: AttentionBlock, tokens: Tensor, present: Tensor) -> Tensor:
        out = block(tokens, present, looking)
        assert out.shape[1] == (looking or tokens.shape[1])
        return out

    return way


SIZES = [(1, 2, 12, 1), (70, 6, 12, 3), (130, 7, 32, 4), (5, FEW + 1, 10, 2)]


@pytest.mark.parametrize("looking", [None, 1, 2])
@pytest.mark.parametrize(("rows", "tokens", "width", "heads"), SIZES)
def test_values_and_gradients_are_those_of_the_formula(
    loops, rows, tokens, width, heads, looking
) -> None:
    block, x, present = made(rows, tokens, width, heads)
    weight, found = torch.randn_like(x[:, :looking]), []
    for own, way, given in ((block, block_of(looking), x), (None, by_formula, x.double())):
        own = own or copy.deepcopy(block).double()
        given = given.clone().requires_grad_()
        out = way(own, given, present)[:, :looking]
        slopes = torch.autograd.grad((out * weight).sum(), [given, *own.parameters()])
        found.append((out, *slopes))
    for one, other in zip(*found, strict=True):
        size = float(other.detach().abs().max())
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=3e-6 * size)


@pytest.mark.parametrize("width", [12, 30])
def test_attention_is_its_formula(width) -> None:
    qkv = torch.randn((9, 5, 3 * width), generator=torch.Generator().manual_seed(0))
    present = torch.tensor([True, True, False, True, False]).expand(9, -1)
    expected = attention_by_formula(qkv.double(), 2, present)
    torch.testing.assert_close(
        attention(qkv, 2, present, 5).double(), expected, rtol=1e-5, atol=1e-6
    )


def test_tokens_that_are_absent_are_not_looked_at(loops) -> None:
    block, x, present = made(40, 5, 12, 2)
    moved = torch.where(present.unsqueeze(2), x, x + 100.0 * torch.randn_like(x))
    seen, other = (block(tokens, present)[present] for tokens in (x, moved))
    assert torch.equal(seen, other)


def test_sequences_do_not_depend_on_their_neighbours(loops) -> None:
    block, x, present = made(150, 6, 12, 4)
    whole = block(x, present)
    torch.testing.assert_close(block(x[67:71], present[67:71]), whole[67:71])


def test_without_gradients_the_values_are_the_same(loops) -> None:
    block, x, present = made(100, 4, 12, 2)
    with torch.no_grad():
        found = block(x, present)
    assert torch.equal(found, block(x, present))
    assert block(x[:0], present[:0]).shape == (0, 4, 12)


def test_parameters_alone_and_tokens_alone_may_have_gradients(loops) -> None:
    block, x, present = made(20, 4, 12, 2)
    block(x, present).square().sum().backward()
    slopes = [p.grad.clone() for p in block.parameters()]
    assert all(float(slope.abs().max()) > 0 for slope in slopes)
    block.requires_grad_(False)
    x.requires_grad_()
    block(x, present).square().sum().backward()
    assert float(x.grad.abs().max()) > 0


def test_no_digit_depends_on_the_threads() -> None:
    block, x, present = made(300, 5, 12, 2)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            own = x.clone().requires_grad_()
            out = block(own, present)
            slopes = torch.autograd.grad(out.square().sum(), [own, *block.parameters()])
            found.append((out, *slopes))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_functional_transforms_go_through() -> None:
    block, x, present = made(3, 4, 12, 2)
    found = torch.func.grad(lambda tokens: block(tokens, present).sum())(x)
    own = copy.deepcopy(block).double()
    given = x.double().requires_grad_()
    expected = torch.autograd.grad(by_formula(own, given, present).sum(), given)[0]
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
