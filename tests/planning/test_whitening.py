from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import DataError
from gpjepa.planning.whitening import cosines, whitening


def test_whitened_effects_have_equal_moments_where_the_ridge_is_small() -> None:
    effects = np.random.default_rng(0).normal(size=(400, 5)) * [9.0, 4.0, 1.0, 0.5, 2.0]
    white = effects @ whitening(effects, ridge=1e-9)
    assert white.T @ white == pytest.approx(np.eye(5), abs=1e-3)


def test_a_large_ridge_only_rescales() -> None:
    effects = np.random.default_rng(1).normal(size=(30, 4))
    made = whitening(effects, ridge=1e9)
    assert made / made[0, 0] == pytest.approx(np.eye(4), abs=1e-6)


def test_whitening_is_the_inverse_root_of_moments_and_ridge() -> None:
    effects = np.random.default_rng(2).normal(size=(3, 6))
    made = whitening(effects, ridge=3.0)
    moments = effects.T @ effects + 3 * (effects**2).sum() / 6 * np.eye(6)
    assert made @ moments @ made == pytest.approx(np.eye(6), abs=1e-9)


def test_effects_that_do_not_move_are_refused() -> None:
    with pytest.raises(DataError, match="not all 0"):
        whitening(np.zeros((3, 4)))


def test_cosine_ignores_length_and_is_nothing_without_any() -> None:
    left = np.array([[2.0, 0.0], [0.0, 0.0]])
    assert cosines(left, np.array([[5.0, 0.0], [1.0, 1.0]])) == pytest.approx(
        np.array([[1.0, 0.5**0.5], [0.0, 0.0]])
    )
