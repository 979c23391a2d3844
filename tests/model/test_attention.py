from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpjepa.model.attention import FEW, attention
from gpjepa.model.kernels import SWITCH


@pytest.fixture(params=["compiled", "plain"])
def loops(request, monkeypatch) -> str:
    if request.param == "plain":
        monkeypatch.setenv(SWITCH, "plain")
    return request.param


def made(rows: int, tokens: int, width: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows + tokens)
    qkv = torch.randn((rows, tokens, 3 * width), generator=generator)
    present = torch.rand((rows, tokens), generator=generator) < 0.6
    present[:, 1] = True
    return qkv, present


def by_formula(qkv: Tensor, heads: int, present: Tensor) -> Tensor:
    """softmax(Q Kᵀ/√D) V of each head, tokens that are absent left out, in double precision."""
    query, key, value = (
        x.unflatten(2, (heads, -1)).transpose(1, 2) for x in qkv.double().chunk(3, dim=2)
    )
    score = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
    score = score.masked_fill(~present[:, None, None, :], -torch.inf)
    return (score.softmax(dim=3) @ value).transpose(1, 2).flatten(2)


@pytest.mark.parametrize(("rows", "tokens", "heads"), [(1, 2, 1), (70, 6, 4), (130, FEW + 1, 3)])
def test_values_and_gradients_are_those_of_the_formula(loops, rows, tokens, heads) -> None:
    qkv, present = made(rows, tokens)
    qkv.requires_grad_()
    weight = torch.randn((rows, tokens, 12), generator=torch.Generator().manual_seed(1))
    seen, expected = (way(qkv, heads, present) for way in (attention, by_formula))
    torch.testing.assert_close(seen.double(), expected, rtol=1e-5, atol=1e-6)
    one, other = (torch.autograd.grad((x * weight).sum(), qkv)[0] for x in (seen, expected))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)


def test_tokens_that_are_absent_are_not_looked_at(loops) -> None:
    qkv, present = made(40, 5)
    moved = torch.where(present.unsqueeze(2), qkv, 1e4)
    seen, other = (attention(x, 2, present)[present] for x in (qkv, moved))
    assert torch.equal(seen, other)


def test_sequences_do_not_depend_on_their_neighbours(loops) -> None:
    qkv, present = made(150, 6)
    whole = attention(qkv, 4, present)
    torch.testing.assert_close(attention(qkv[67:71], 4, present[67:71]), whole[67:71])


def test_functional_transforms_go_through() -> None:
    qkv, present = made(3, 4)
    found = torch.func.grad(lambda x: attention(x, 2, present).sum())(qkv)
    qkv.requires_grad_()
    expected = torch.autograd.grad(by_formula(qkv, 2, present).sum(), qkv)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
