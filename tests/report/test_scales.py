from __future__ import annotations

import numpy as np
import pytest

from gpjepa.report.scales import Scale, linear_ticks, log_range, padded, tick_label


@pytest.mark.parametrize(
    ("kind", "low", "high", "middle"),
    [
        ("linear", 0, 10, 5),
        ("log", 0.1, 10, 1),
        ("sqrt", 0, 1, 0.25),
        ("logit", 0.1, 0.9, 0.5),
        ("log1p", 0, 99, 9),
    ],
)
def test_the_middle_of_an_axis_is_half_way_in_its_own_measure(
    kind: str, low: float, high: float, middle: float
) -> None:
    scale = Scale(low, high, 200, 100, kind)  # type: ignore[arg-type]
    np.testing.assert_allclose(scale(np.array([low, middle, high])), [200, 150, 100])


def test_values_outside_are_drawn_at_the_edge_and_gaps_stay_gaps() -> None:
    scale = Scale(0, 1, 0, 100)
    np.testing.assert_array_equal(scale(np.array([-5, 7, np.nan])), [0, 100, np.nan])


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-0.37, 0.41), (0.5, 0.52), (120, 980), (-3e-5, 1e-5), (0, 7e6)]
)
def test_ticks_lie_inside_and_are_neither_few_nor_many(low: float, high: float) -> None:
    for count in (3, 5):
        ticks = linear_ticks(low, high, count)
        assert 2 <= len(ticks) <= 2 * count
        assert low - 1e-12 <= min(ticks)
        assert max(ticks) <= high * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize(("low", "high"), [(0.02, 900), (3.1, 4.2), (70, 210), (1e-7, 1e9)])
def test_a_logarithmic_axis_always_has_two_ticks(low: float, high: float) -> None:
    ticks = [value for value, _ in Scale(low, high, 0, 100, "log").ticks(4)]
    assert 2 <= len(ticks) <= 8
    assert low <= min(ticks)
    assert max(ticks) <= high


def test_labels_are_short() -> None:
    assert [tick_label(value) for value in (0.25, -1.0, 1e-5, 2e6, 0.0)] == [
        "0.25", "−1", "1e−5", "2e6", "0"]  # fmt: skip
    assert tick_label(0.99, "logit") == "99%"
    assert tick_label(float("nan")) == "–"


def test_a_range_is_never_empty() -> None:
    for values in ([], [np.nan], [0.0], [3.0, 3.0], [-1.0, 2.0]):
        low, high = padded(np.array(values))
        assert low < high
        low, high = log_range(np.array(values))
        assert 0 < low < high
