from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

pytest.importorskip("numba")

from gpjepa.model.kernels import layers

COLUMNS = 37
EPSILON = np.float32(1e-5)


def made(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def slopes(out: Tensor, down: np.ndarray, *of: Tensor) -> list[np.ndarray]:
    weighted = (out * torch.from_numpy(down).double()).sum()
    return [slope.numpy() for slope in torch.autograd.grad(weighted, of)]


def leaves(*arrays: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(array).double().requires_grad_() for array in arrays]


def close(found: np.ndarray, expected: np.ndarray) -> None:
    size = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * size)


@pytest.mark.parametrize(("outer", "inner"), [(1, 1), (6, 8), (9, 19), (12, 16)])
def test_a_linear_layer_and_its_slopes_are_torchs(outer, inner) -> None:
    weight, bias, x = made(outer, inner), made(outer, seed=1), made(inner, COLUMNS, seed=2)
    found, down = np.empty((outer, COLUMNS), np.float32), made(outer, COLUMNS, seed=3)
    layers.linear(weight, bias, x, found)
    own, shift, given = leaves(weight, bias, x)
    out = own @ given + shift.unsqueeze(1)
    close(found, out.detach().numpy())
    by_weight, by_bias, by_x = np.empty_like(weight), np.empty_like(bias), np.zeros_like(x)
    layers.linear_slopes(down, x, by_weight, by_bias)
    layers.add_product(weight.T.copy(), down, by_x)
    expected = slopes(out, down, own, shift, given)
    for one, other in zip((by_weight, by_bias, by_x), expected, strict=True):
        close(one, other)


@pytest.mark.parametrize("width", [5, 32])
def test_a_layer_norm_and_its_slopes_are_torchs(width) -> None:
    x, gain, bias = 3.0 + made(width, COLUMNS), made(width, seed=1), made(width, seed=2)
    hat, found, scale = np.empty_like(x), np.empty_like(x), np.empty(COLUMNS, np.float32)
    layers.normalised(x, EPSILON, hat, scale)
    layers.affine(hat, gain, bias, found)
    given, own, shift = leaves(x, gain, bias)
    out = functional.layer_norm(given.t(), (width,), own, shift, float(EPSILON)).t()
    close(found, out.detach().numpy())
    down, by_gain, by_bias = made(width, COLUMNS, seed=3), np.empty_like(gain), np.empty_like(bias)
    expected = slopes(out, down, given, own, shift)
    before = made(width, COLUMNS, seed=4)
    by_x = before.copy()
    layers.norm_slopes(down.copy(), hat, scale, gain, by_gain, by_bias, by_x)
    close(by_gain, expected[1])
    close(by_bias, expected[2])
    np.testing.assert_allclose(by_x - before, expected[0], rtol=1e-3, atol=3e-5)


def test_gelu_and_its_slopes_are_torchs() -> None:
    x = np.linspace(-9.0, 9.0, 4 * 301, dtype=np.float32).reshape(4, 301)
    found = np.empty_like(x)
    layers.gelu(x, found)
    (given,) = leaves(x)
    out, down = functional.gelu(given), made(4, 301)
    np.testing.assert_allclose(found, out.detach().numpy(), rtol=1e-6, atol=1e-6)
    (expected,) = slopes(out, down, given)
    layers.gelu_slopes(x, down)
    np.testing.assert_allclose(down, expected, rtol=1e-5, atol=2e-6)
