from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.planning.surprise import surprise


def cells(seed: int, count: int = 300, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return shift + scale * np.random.default_rng(seed).standard_normal((count, 5))


def test_cells_as_expected_are_a_replicate() -> None:
    ratios = [surprise(cells(seed), cells(seed + 100), 0).ratio for seed in range(20)]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.1)


def test_a_shift_and_a_change_of_spread_surprise() -> None:
    same = surprise(cells(0), cells(1), 0).ratio
    near, far = (surprise(cells(0), cells(1, shift=shift), 0).ratio for shift in (0.3, 1.0))
    assert same < 1.5 < near < far
    assert surprise(cells(0), cells(1, scale=2.0), 0).ratio > 3


def test_numbers_of_cells_do_not_matter_for_what_is_expected() -> None:
    ratios = [surprise(cells(s, 1000), cells(s + 50, 60), 0) for s in range(30)]
    assert np.mean([each.ratio for each in ratios]) == pytest.approx(1.0, abs=0.15)
    assert ratios[0].cells == 30


def test_the_same_seed_gives_the_same_surprise() -> None:
    one, again, other = (surprise(cells(0), cells(1), seed).distance for seed in (0, 0, 1))
    assert one == again != other


@pytest.mark.parametrize(("expected", "observed"), [(10, 3), (1, 10)])
def test_too_few_cells_are_refused(expected, observed) -> None:
    with pytest.raises(ConfigError, match=f"{observed} observed and {expected} expected"):
        surprise(cells(0, expected), cells(1, observed), 0)
