from __future__ import annotations

import numpy as np
import pytest

from gpjepa.report.numbers import finite, interval, number, rounded, rounded_all, whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.64449, "0.644"),
        (-0.5, "−0.500"),
        (12.345, "12.3"),
        (-1234.5, "−1,234"),
        (0.00012, "1.2e−4"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (None, "–"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, text: str) -> None:
    assert number(value) == text


def test_counts_have_their_thousands_separated() -> None:
    assert [whole(3375), whole(12.0), whole(None)] == ["3,375", "12", "–"]


def test_an_interval_needs_both_ends() -> None:
    assert interval(-0.05, 0.5) == "−0.05 to 0.50"
    assert interval(0.0021, 0.019) == "0.0021 to 0.019"
    assert interval(0.1, float("nan")) == ""
    assert interval(None, 0.2) == ""


def test_only_finite_numbers_count_as_known() -> None:
    assert finite(np.float64(1.5)) == 1.5
    assert [finite(value) for value in (True, "1", float("nan"), None)] == [None] * 4


def test_embedded_numbers_are_short_and_gaps_are_null() -> None:
    assert rounded_all([1.23456789, np.nan, 2.0], 4) == [1.235, None, 2]
    assert rounded(1e-9) == 1e-9
    assert rounded(123456.789, 5) == 123460
