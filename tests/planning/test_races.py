from __future__ import annotations

import numpy as np
import pytest

from gpjepa.planning.races import WIDE, first_of_races

RUNNERS = 3 * WIDE


def whole(noise: np.ndarray, speed: np.ndarray, most: int) -> np.ndarray:
    return np.argsort(noise / speed, axis=1, kind="stable")[:, :most]


def even() -> np.ndarray:
    return np.full(RUNNERS, 1 / RUNNERS, dtype=np.float32)


def fast_few() -> np.ndarray:
    speed = even() / 50
    speed[[7, 900]] = 0.49
    return speed


def fading() -> np.ndarray:
    speed = np.exp(-np.arange(RUNNERS) / 20).astype(np.float32) + np.float32(1e-6)
    return speed / speed.sum()


@pytest.mark.parametrize("field", [even, fast_few, fading])
@pytest.mark.parametrize("most", [1, 3, 12])
def test_the_first_are_those_of_all_times(field, most) -> None:
    noise = np.random.default_rng(most).standard_exponential((400, RUNNERS), dtype=np.float32)
    found = first_of_races(noise, field(), most)
    np.testing.assert_array_equal(found, whole(noise, field(), most))


def test_rows_in_which_hardly_any_runs_soon_are_looked_at_whole() -> None:
    noise = np.random.default_rng(0).standard_exponential((5, RUNNERS), dtype=np.float32)
    noise[1] += 8
    noise[3, 2:] += 8
    found = first_of_races(noise, even(), 4)
    np.testing.assert_array_equal(found, whole(noise, even(), 4))


def test_equals_are_told_apart_as_in_a_small_field() -> None:
    noise = np.random.default_rng(1).integers(1, 9, (50, RUNNERS)).astype(np.float32)
    wanted = np.sort(noise, axis=1)[:, :3]
    found = first_of_races(noise, even(), 3)
    np.testing.assert_array_equal(np.take_along_axis(noise, found, axis=1), wanted)


def test_all_may_be_asked_for() -> None:
    noise = np.random.default_rng(2).standard_exponential((3, RUNNERS), dtype=np.float32)
    found = first_of_races(noise, fading(), RUNNERS)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(RUNNERS), (3, 1)))
