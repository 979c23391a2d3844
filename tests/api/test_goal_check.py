from __future__ import annotations

import numpy as np
import pytest

from gpjepa.api.goal_check import chance_of_same, refuse_the_start
from gpjepa.api.goals import Aim
from gpjepa.core.errors import DataError


def cells(seed: int, count: int = 80, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 6)) + shift


def test_the_start_itself_is_nothing_to_reach() -> None:
    start = cells(0)
    with pytest.raises(DataError, match="does not differ.*there is nothing to reach"):
        refuse_the_start(Aim("cells", "80 cells", latents=start[::2]), start, 0)
    with pytest.raises(DataError, match="where the cells start: there is nothing to reach"):
        refuse_the_start(Aim("latent", "a latent", latents=start.mean(axis=0)[None]), start, 0)


def test_another_state_is_accepted_and_a_near_one_noted() -> None:
    start = cells(0)
    assert refuse_the_start(Aim("cells", "x", latents=cells(1, shift=0.8)), start, 0) == ()
    assert refuse_the_start(Aim("latent", "x", latents=np.ones((1, 6))), start, 0) == ()
    assert refuse_the_start(Aim("signature", "x", weights=np.ones(3)), start, 0) == ()
    noted = [
        refuse_the_start(Aim("cells", "x", latents=cells(seed, 40, 0.13)), start, 0)
        for seed in range(1, 6)
    ]
    assert any("mostly noise" in notes[0] for notes in noted if notes)


def test_chance_is_even_where_both_are_drawn_alike_and_small_where_they_are_not() -> None:
    same = [chance_of_same(cells(seed), cells(seed + 100), 0) for seed in range(40)]
    assert 0.3 < np.mean(same) < 0.7
    assert 0 < np.mean(np.array(same) < 0.2) < 0.45
    assert chance_of_same(cells(1, shift=0.8), cells(2), 0) < 0.01


def test_a_change_of_shape_alone_is_seen() -> None:
    assert chance_of_same(cells(1) * 2, cells(2), 0) < 0.01
