from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.inference.calibration import FEWEST, GRID, Calibration, half_widths


def calibration(perturbations: int = 20) -> Calibration:
    return Calibration(tuple(level**2 for level in GRID), perturbations, True, False)


def test_widths_are_the_quantiles_of_absolute_residuals() -> None:
    residual = np.random.default_rng(0).normal(size=(40, 50))
    widths = half_widths(residual)
    assert len(widths) == len(GRID) == 99
    for level in (0.1, 0.5, 0.9):
        inside = np.abs(residual) <= widths[GRID.index(level)]
        assert inside.mean() == pytest.approx(level, abs=0.001)
    # Those of a standard normal at 50 and 90 %
    assert widths[49] == pytest.approx(0.674, abs=0.05)
    assert widths[89] == pytest.approx(1.645, abs=0.1)


def test_the_sign_of_residuals_is_irrelevant() -> None:
    residual = np.random.default_rng(1).normal(size=300)
    assert half_widths(residual) == half_widths(-residual)


def test_a_level_has_the_width_of_its_quantile() -> None:
    assert calibration().half_width(0.9) == pytest.approx(0.81)
    assert calibration().half_width(0.01) == pytest.approx(0.0001)


def test_levels_between_two_of_the_grid_are_interpolated() -> None:
    own = calibration()
    assert own.half_width(0.905) == pytest.approx((own.half_width(0.9) + own.half_width(0.91)) / 2)


def test_a_higher_level_is_never_narrower() -> None:
    own = Calibration(half_widths(np.random.default_rng(2).normal(size=50)), 9, True, True)
    widths = [own.half_width(level) for level in np.linspace(0.001, 0.999, 200)]
    assert all(a <= b for a, b in pairwise(widths))


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 90, float("nan")])
def test_a_level_outside_the_open_unit_interval_is_refused(level) -> None:
    with pytest.raises(ConfigError) as caught:
        calibration().half_width(level)
    message = str(caught.value)
    assert message.startswith(f"level is {level}; expected a number between 0 and 1")
    assert "pass for example 0.9" in message


def test_few_validation_perturbations_leave_intervals_uncalibrated() -> None:
    assert not calibration(FEWEST - 1).calibrated
    assert calibration(FEWEST).calibrated


def test_a_calibration_survives_json() -> None:
    own = calibration()
    assert Calibration.from_json(json.loads(json.dumps(own.to_json()))) == own


def test_widths_for_other_levels_are_refused() -> None:
    document = {**calibration().to_json(), "half_widths": [0.1] * 98}
    with pytest.raises(ValueError, match="98 half_widths, expected 99"):
        Calibration.from_json(document)
