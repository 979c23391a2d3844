from __future__ import annotations

import pytest
import torch

from gpjepa.model import twister
from gpjepa.model.kernels import SWITCH
from gpjepa.model.twister import MANY, rand

CPU = torch.device("cpu")


def pair() -> tuple[torch.Generator, torch.Generator]:
    return torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)


@pytest.mark.parametrize("way", ["compiled", "plain", "unknown"])
def test_numbers_and_state_are_those_of_torch(monkeypatch, way) -> None:
    if way == "plain":
        monkeypatch.setenv(SWITCH, "plain")
    if way == "unknown":
        monkeypatch.setattr(twister, "_known", lambda: False)
    one, other = pair()
    for shape in ((7,), (MANY,), (3, MANY), (MANY + 623,), (2, 5), (MANY - 1,), (1, MANY + 1)):
        assert torch.equal(rand(shape, one, CPU), torch.rand(shape, generator=other))
        assert torch.equal(one.get_state(), other.get_state())
    others = (torch.randn(33, generator=g) for g in (one, other))
    assert torch.equal(*others)


def test_this_torch_is_known() -> None:
    pytest.importorskip("numba")
    assert twister._known()


def test_a_torch_that_draws_otherwise_is_left_to_itself(monkeypatch) -> None:
    pytest.importorskip("numba")
    twister._known.cache_clear()
    monkeypatch.setattr(twister, "_drawn", lambda shape, generator: torch.zeros(shape))
    try:
        assert not twister._known()
        one, other = pair()
        assert torch.equal(rand((MANY,), one, CPU), torch.rand(MANY, generator=other))
    finally:
        twister._known.cache_clear()


def test_other_types_of_number_are_torchs() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        one, other = pair()
        assert torch.equal(rand((MANY,), one, CPU), torch.rand(MANY, generator=other))
    finally:
        torch.set_default_dtype(torch.float32)
