from __future__ import annotations

import math

import pytest
import torch
from scipy.integrate import quad

from gpjepa.core.errors import ConfigError
from gpjepa.model.diffusion.schedules import (
    SHAPES,
    CosineLevel,
    CosineRate,
    LevelSchedule,
    LinearLevel,
    LinearRate,
    QuadraticLevel,
    QuadraticRate,
    RateSchedule,
    level_schedule,
    rate_schedule,
    signal,
)

RATES = (
    LinearRate(),
    LinearRate(0.5, 7.0),
    QuadraticRate(),
    QuadraticRate(0.2, 9.0),
    CosineRate(),
    CosineRate(0.02, 1e-3),
)
LEVELS = (LinearLevel(), QuadraticLevel(), CosineLevel(), CosineLevel(5.0))
TIMES = (0.01, 0.1, 0.3, 0.5, 0.8, 0.95, 1.0)


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("schedule", RATES, ids=str)
@pytest.mark.parametrize("time", TIMES)
def test_signal_is_the_exponential_of_minus_the_integral_of_the_rate(
    schedule: RateSchedule, time: float
) -> None:
    integral, _ = quad(lambda t: float(schedule.rate(number(t))), 0.0, time, epsabs=1e-12)
    assert float(schedule.integral(number(time))) == pytest.approx(integral, rel=1e-7, abs=1e-10)
    assert float(signal(schedule, number(time))) == pytest.approx(math.exp(-integral), rel=1e-6)


def test_half_the_integral_would_be_seen() -> None:
    # exp(−½∫β) in place of exp(−∫β): at t = .3 of the usual linear schedule .63 and not .40
    assert float(signal(LinearRate(), number(0.3))) == pytest.approx(0.3964, abs=5e-4)


def test_cosine_signal_is_that_of_the_paper() -> None:
    schedule = CosineRate(0.008, 1e-12)

    def paper(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    for time in (0.1, 0.4, 0.7, 0.9):
        expected = paper(time) / paper(0.0)
        assert float(signal(schedule, number(time))) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("schedule", RATES, ids=str)
def test_rates_are_positive_and_signal_falls_from_one(schedule: RateSchedule) -> None:
    time = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    left = signal(schedule, time)
    assert bool((schedule.rate(time) > 0).all())
    assert float(left[0]) == pytest.approx(1.0, abs=1e-12)
    assert bool((left.diff() < 0).all())


def test_cosine_ends_at_the_signal_asked_for() -> None:
    assert float(signal(CosineRate(last=1e-3), number(1.0))) == pytest.approx(1e-3, rel=1e-9)


@pytest.mark.parametrize("schedule", RATES, ids=str)
@pytest.mark.parametrize("time", TIMES)
def test_time_of_an_integral_inverts_it(schedule: RateSchedule, time: float) -> None:
    assert float(schedule.time(schedule.integral(number(time)))) == pytest.approx(time, rel=1e-6)


@pytest.mark.parametrize("schedule", LEVELS, ids=str)
@pytest.mark.parametrize("time", TIMES)
def test_level_is_the_integral_of_its_slope(schedule: LevelSchedule, time: float) -> None:
    integral, _ = quad(lambda t: float(schedule.slope(number(t))), 0.0, time)
    assert float(schedule.level(number(time))) == pytest.approx(integral, rel=1e-8)
    assert float(schedule.time(schedule.level(number(time)))) == pytest.approx(time, rel=1e-7)


@pytest.mark.parametrize("schedule", LEVELS, ids=str)
def test_levels_rise_from_zero_to_the_highest(schedule: LevelSchedule) -> None:
    assert float(schedule.level(number(0.0))) == 0.0
    assert float(schedule.level(number(1.0))) == pytest.approx(schedule.highest, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_schedules_are_found_by_name(shape: str) -> None:
    assert type(rate_schedule(shape)).__name__.lower() == f"{shape}rate"  # type: ignore[arg-type]
    assert type(level_schedule(shape)).__name__.lower() == f"{shape}level"  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [rate_schedule, level_schedule])
def test_an_unknown_schedule_is_refused_by_name(make: object) -> None:
    with pytest.raises(ConfigError, match=r"'exponential' is not known; .*linear, cosine"):
        make("exponential")  # type: ignore[operator]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (0.1, math.inf)])
@pytest.mark.parametrize("kind", [LinearRate, QuadraticRate])
def test_impossible_rates_are_refused(kind: type, low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="expected 0 < low < high"):
        kind(low, high)


@pytest.mark.parametrize("kind", [LinearLevel, QuadraticLevel, CosineLevel])
@pytest.mark.parametrize("highest", [0.0, -1.0, math.inf, math.nan])
def test_impossible_levels_are_refused(kind: type, highest: float) -> None:
    with pytest.raises(ConfigError, match="positive finite"):
        kind(highest)


@pytest.mark.parametrize(("offset", "last"), [(0.0, 0.1), (0.1, 0.0), (0.1, 1.0), (math.nan, 0.1)])
def test_impossible_cosines_are_refused(offset: float, last: float) -> None:
    with pytest.raises(ConfigError, match=r"within \(0, 1\)"):
        CosineRate(offset, last)
