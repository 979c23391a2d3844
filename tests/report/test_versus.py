from __future__ import annotations

import pytest

from gpjepa.report.glossary import Term
from gpjepa.report.versus import AHEAD, BEHIND, merit, paired

HIGHER, LOWER = Term("m", "", "higher", 1.0), Term("m", "", "lower", 0.0)
TARGET, UNKNOWN = Term("m", "", "target", 1.0), Term("m", "", "unknown")


def line(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("term", "difference", "sign"),
    [
        (HIGHER, line(0.2, 0.1, 0.3), BEHIND),
        (HIGHER, line(-0.2, -0.3, -0.1), AHEAD),
        (LOWER, line(-0.2, -0.3, -0.1), BEHIND),
        (LOWER, line(0.2, 0.1, 0.3), AHEAD),
        (TARGET, line(-0.2, -0.3, -0.1), BEHIND),
        (TARGET, line(0.2, 0.1, 0.3), AHEAD),
    ],
)
def test_a_rival_is_signed_by_the_metrics_own_direction(
    term: Term, difference: dict[str, float], sign: str
) -> None:
    versus = paired(difference, "gpjepa", "additive", term)
    assert versus.sign == sign
    better = "gpjepa" if sign == BEHIND else "additive"
    assert versus.words.endswith(f"{better} is better")


def test_an_interval_that_holds_zero_decides_nothing() -> None:
    versus = paired(line(0.2, -0.01, 0.3), "gpjepa", "additive", HIGHER)
    assert versus.sign == ""
    assert versus.words == (
        "gpjepa − additive, paired: 0.200 (−0.01 to 0.30); cannot be told apart"
    )


def test_nothing_is_said_without_interval_or_direction() -> None:
    assert paired({}, "gpjepa", "additive", HIGHER).words == ""
    assert paired(line(0.2, float("nan"), 0.3), "gpjepa", "additive", HIGHER).words == ""
    assert paired(line(0.2, 0.1, 0.3), "gpjepa", "additive", UNKNOWN).sign == ""


def test_more_merit_is_always_better() -> None:
    assert merit(0.9, HIGHER) > merit(0.1, HIGHER)  # type: ignore[operator]
    assert merit(0.1, LOWER) > merit(0.9, LOWER)  # type: ignore[operator]
    assert merit(0.9, TARGET) == pytest.approx(merit(1.1, TARGET))
    assert merit(None, HIGHER) is None
    assert merit(0.5, UNKNOWN) is None
