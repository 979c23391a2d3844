from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from gpjepa.core.errors import ConfigError
from gpjepa.inference.error_model import (
    COMPONENTS,
    SCALES,
    believed,
    mixture_quantile,
    normal,
    require_level,
)


def test_quantiles_of_one_scale_are_those_of_the_normal() -> None:
    for level in (0.5, 0.8, 0.9, 0.95):
        expected = stats.norm.ppf(0.5 + 0.5 * level)
        assert normal().quantile(level) == pytest.approx(expected)
        wide = np.array(normal().weights)[::-1]  # symmetric: the middle scale again
        assert mixture_quantile(wide, level) == pytest.approx(expected)


def test_quantiles_of_a_mixture_cover_its_draws() -> None:
    rng = np.random.default_rng(0)
    weights = np.array(believed().weights) / np.sum(believed().weights)
    scale = rng.choice(np.sqrt(SCALES), size=200_000, p=weights)
    draws = np.abs(scale * rng.normal(size=scale.shape))
    for level in (0.5, 0.8, 0.95):
        inside = draws <= mixture_quantile(weights, level)
        assert inside.mean() == pytest.approx(level, abs=0.005)


def test_the_weights_believed_sum_to_one_and_levels_are_ordered() -> None:
    assert sum(believed().weights) == pytest.approx(1.0)
    widths = [believed().quantile(level) for level in np.linspace(0.01, 0.99, 60)]
    assert all(a < b for a, b in pairwise(widths))


def test_the_variance_adds_components_and_inflates_the_stratum() -> None:
    model = replace(believed(), coefficients=(1.0, 2.0, 0.0, 0.5), edge=1.0, inflation=(1.0, 3.0))
    components = np.arange(1.0, 1 + len(COMPONENTS))[:, None, None] * np.ones((1, 2, 4))
    found = model.variance(components, np.array([0.5, 2.0]))
    assert np.allclose(found[0], 1.0 + 2.0 * 2.0 + 0.5 * 4.0)
    assert np.allclose(found[1], 9.0 * found[0])


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 90, float("nan")])
def test_a_level_outside_the_open_unit_interval_is_refused(level) -> None:
    with pytest.raises(ConfigError) as caught:
        require_level(level)
    message = str(caught.value)
    assert message.startswith(f"level is {level}; expected a number between 0 and 1")
    assert "pass for example 0.9" in message
