from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpjepa.inference.error_model import believed, normal
from gpjepa.training.error_fit import Residuals, fit_errors

GENES = 150


def residuals(rows: int, noise: float, seed: int = 0, factor: float = 1.0):
    """Return residuals of errors N(0, factor² · (.5 first + .2 third)) plus noise, and errors."""
    rng = np.random.default_rng(seed)
    components = rng.gamma(2.0, 0.02, (4, rows, GENES))
    variance = factor**2 * (0.5 * components[0] + 0.2 * components[2])
    error = rng.normal(0.0, np.sqrt(variance))
    seen = error + rng.normal(0.0, np.sqrt(noise), error.shape)
    size = rng.uniform(0.1, 1.0, rows)
    return Residuals(seen, np.full(error.shape, noise), components, size), error


@pytest.mark.parametrize("noise", [1e-6, 0.02])
def test_intervals_cover_the_effects_themselves_whatever_noise_is_in_what_was_seen(noise) -> None:
    seen, _ = residuals(40, noise)
    new, error = residuals(60, noise, seed=1)
    found = fit_errors(seen, believed(), 8)
    scale = np.sqrt(found.variance(new.components, new.size))
    for level in (0.5, 0.8, 0.9, 0.95):
        inside = np.abs(error) <= found.quantile(level) * scale
        assert inside.mean() == pytest.approx(level, abs=0.03)
    ratio = (error**2).mean() / (found.spread * scale**2).mean()
    assert 0.7 < ratio < 1.1  # drawn to the tails that simulations have
    assert found.calibrated
    assert found.perturbations == 40


def test_ignoring_the_noise_would_make_intervals_too_wide() -> None:
    seen, error = residuals(40, 0.02)
    blind = fit_errors(seen._replace(noise=np.full(seen.noise.shape, 1e-9)), believed(), 8)
    scale = np.sqrt(blind.variance(seen.components, seen.size))
    assert (np.abs(error) <= blind.quantile(0.5) * scale).mean() > 0.6


def test_wider_components_mean_wider_intervals() -> None:
    found = fit_errors(residuals(40, 0.005)[0], believed(), 8)
    assert found.coefficients[0] > 5 * found.coefficients[1]
    assert found.coefficients[0] > 5 * found.coefficients[3]


def test_few_perturbations_are_marked_and_change_nothing() -> None:
    found = fit_errors(residuals(7, 0.01)[0], believed(), 8)
    assert found == replace(believed(), calibrated=False)
    assert fit_errors(residuals(8, 0.01)[0], believed(), 8).calibrated


def test_inflation_of_a_stratum_follows_its_errors() -> None:
    small, _ = residuals(40, 1e-6)
    large, _ = residuals(40, 1e-6, seed=2, factor=2.0)
    joined = Residuals(
        np.concatenate((small.values, large.values)),
        np.concatenate((small.noise, large.noise)),
        np.concatenate((small.components, large.components), axis=1),
        np.concatenate((small.size, 5.0 + large.size)),
    )
    low, high = fit_errors(joined, normal_start(), 8).inflation
    assert high > 1.2 * low


def normal_start():
    return replace(normal(), coefficients=(0.3, 0.01, 0.1, 0.01))
