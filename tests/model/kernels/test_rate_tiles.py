from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from gpjepa.model.kernels import rate_tiles

ROWS, GENES, CLASSES, WIDTH = 300, 70, 71, 11  # the last tile is not full


def made():
    rng = np.random.default_rng(0)
    weight = rng.normal(0.0, 0.4, (CLASSES, WIDTH)).astype(np.float32)
    states = [rng.normal(size=(ROWS, WIDTH)).astype(np.float32) for _ in range(2)]
    biases = [rng.normal(size=CLASSES).astype(np.float32) for _ in range(2)]
    library = rng.uniform(100.0, 9000.0, ROWS).astype(np.float32)
    return weight, states, biases, library


def expected(weight, state, bias, library) -> np.ndarray:
    logits = state.astype(float) @ weight.T.astype(float) + bias
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (share / share.sum(axis=1, keepdims=True) * library[:, None])[:, :GENES]


def tables():
    """Return what `rates_of` reads of two decoded tables: all classes lie in three tiles."""
    weight, states, biases, library = made()
    table = np.empty((3, WIDTH, rate_tiles.TILE), np.float32)
    rate_tiles.tiled(weight, table)
    levels = np.empty((2, 2, ROWS), np.float32)
    tiled = np.full((2, 3 * rate_tiles.TILE), -1e30, np.float32)
    tiled[:, :CLASSES] = biases
    shaped = tiled.reshape(2, 3, -1)
    for i in range(2):
        for first in range(0, ROWS, 100):
            read = (states[i], table, shaped[i], library, first, first + 100)
            rate_tiles.levels(*read, *levels[i])
    return (np.empty((0, 0, 0), np.float32), np.stack(states), shaped, levels), table


def test_levels_make_rates_of_logits() -> None:
    weight, states, biases, library = made()
    top, scale = tables()[0][3].swapaxes(0, 1)
    for i in range(2):
        logits = states[i].astype(float) @ weight.T.astype(float) + biases[i]
        np.testing.assert_allclose(top[i], logits.max(axis=1), rtol=1e-5, atol=1e-5)
        found = np.exp(logits - top[i][:, None]) * scale[i][:, None]
        wanted = expected(weight, states[i], biases[i], library)
        np.testing.assert_allclose(found[:, :GENES], wanted, rtol=2e-5)


def test_rates_of_all_classes_are_added_up() -> None:
    weight, states, biases, library = made()
    (_, _, shaped, _), table = tables()
    sums = np.empty((2, 3, rate_tiles.TILE), np.float32)
    for part, edge in enumerate(((0, 100), (100, ROWS))):
        rate_tiles.added_up(states[0], table, shaped[0], library, *edge, sums[part])
    found = sums.sum(axis=0).ravel()
    rates = expected(weight, states[0], biases[0], library).sum(axis=0)
    np.testing.assert_allclose(found[:GENES], rates, rtol=3e-5)
    assert found.sum() == pytest.approx(library.sum(), rel=1e-5)
    assert found[CLASSES:].max() < 1e-25


@pytest.mark.parametrize("decoded", [True, False])
def test_changes_of_all_cells(decoded) -> None:
    weight, states, biases, library = made()
    before, after = (expected(weight, *x, library) for x in zip(states, biases, strict=True))
    rates, table = tables()
    if not decoded:
        rates = (np.stack((before, after)).astype(np.float32), *rates[1:])
        table = np.empty((0, 0, 0), np.float32)
    theta = np.linspace(0.1, 7.0, GENES).astype(np.float32)
    for tile in range(3):
        genes = slice(32 * tile, min(32 * tile + 32, GENES))
        mean, ratio, low = np.full((3, ROWS, rate_tiles.TILE), np.nan, np.float32)
        wanted, size = np.full(rate_tiles.TILE, np.nan, np.float32), genes.stop - genes.start
        rate_tiles.rates_of(rates, 0, table, tile, mean)
        rate_tiles.rates_of(rates, 1, table, tile, ratio)
        np.testing.assert_allclose(mean[:, :size], before[:, genes], rtol=3e-5)
        padded = np.pad(theta[genes], (0, rate_tiles.TILE - size))
        rate_tiles.compared(mean, size, padded, ratio, low, wanted)
        own, own_theta = before[:, genes], theta[genes]
        np.testing.assert_allclose(ratio[:, :size], after[:, genes] / own, rtol=5e-5)
        silent = own * own_theta / (own + own_theta)
        np.testing.assert_allclose(low[:, :size], silent, rtol=3e-5)
        np.testing.assert_allclose(wanted[:size], after[:, genes].sum(axis=0), rtol=3e-5)
        for beyond in (ratio[:, size:], low[:, size:], wanted[size:]):
            assert not beyond.any()


def test_rates_of_nothing_are_taken_for_hardly_anything() -> None:
    mean, ratio, low = np.zeros((3, 1, rate_tiles.TILE), np.float32)
    ratio[0, :2] = 3.0, 0.0
    theta = np.pad(np.ones(2, np.float32), (0, rate_tiles.TILE - 2))
    rate_tiles.compared(mean, 2, theta, ratio, low, np.empty_like(theta))
    assert ratio[0, 0] * low[0, 0] == pytest.approx(3.0)
    assert ratio[0, 1] == 0.0
