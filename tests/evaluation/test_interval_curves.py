"""Curves of calibration: what a calibrated forecaster draws, and what an overconfident one does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gpjepa.evaluation.interval_curves import (
    BINS,
    CURVE_COLUMNS,
    doubts,
    interval_curves,
    pit_density,
)
from gpjepa.evaluation.interval_table import EffectIntervals

LABELS = tuple(f"P{index:02}" for index in range(40))


def _curves(claimed: float = 1.0, count: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    sd = np.repeat(rng.uniform(0.1, 0.6, size=(count, 1)), 300, axis=1)
    se = rng.uniform(0.1, 0.3, size=sd.shape)
    effect = rng.normal(size=sd.shape) * rng.uniform(0.2, 1, size=(count, 1))
    observed = effect + np.hypot(sd, se) * rng.normal(size=sd.shape)
    bars = claimed * sd[None]
    novelty = tuple(float(value) for value in rng.random(count))
    given = EffectIntervals(effect, bars, bars, ("use the model",) * count, novelty=novelty)
    return interval_curves(given, observed, se, LABELS[:count], seed=0)


def _of(curves: pd.DataFrame, curve: str, series: str) -> pd.DataFrame:
    found = curves[(curves["curve"] == curve) & (curves["series"] == series)]
    assert len(found)
    return found


def test_a_calibrated_forecaster_covers_what_it_claims_at_every_level() -> None:
    curves = _curves()
    assert tuple(curves.columns) == CURVE_COLUMNS
    for series in ("all", "small", "medium", "large", "moved"):
        found = _of(curves, "coverage", series)
        np.testing.assert_allclose(found["value"], found["x"], atol=0.03)
        assert (found["low"] <= found["value"]).all()
        assert (found["value"] <= found["high"]).all()


def test_an_overconfident_one_covers_less_and_heaps_the_pit_at_both_ends() -> None:
    fair, bold = _curves(), _curves(claimed=0.2)
    found = _of(bold, "coverage", "all")
    assert (found["value"] < found["x"] - 0.02).all()
    flat = _of(fair, "effect PIT", "effects")["value"].to_numpy()
    heaped = _of(bold, "effect PIT", "effects")["value"].to_numpy()
    np.testing.assert_allclose(flat, 1.0, atol=0.1)
    assert min(heaped[0], heaped[-1]) > 1.8
    assert heaped.mean() == pytest.approx(1.0)


def test_width_equals_error_on_average_where_bars_are_deserved() -> None:
    points = _of(_curves(), "width", "use the model")
    assert list(points["label"]) == list(LABELS)
    np.testing.assert_allclose(points["value"] / points["x"], 1.0, atol=0.2)
    assert (_of(_curves(0.3), "width", "use the model")["value"] > points["x"] * 0.9).all()


def test_the_order_by_error_bars_lies_between_the_oracle_and_chance() -> None:
    curves = _curves()
    risk = {name: _of(curves, "risk", name)["value"].to_numpy()
            for name in ("error bar", "novelty", "oracle", "random")}  # fmt: skip
    assert (risk["oracle"] <= risk["error bar"] + 1e-12).all()
    assert risk["error bar"].mean() < risk["random"].mean() - 0.05
    assert risk["novelty"][-1] == pytest.approx(risk["random"][-1])
    np.testing.assert_allclose(np.diff(risk["random"]), 0)


def test_two_perturbations_have_no_order() -> None:
    assert "risk" not in set(_curves(count=2)["curve"])


def test_an_unknown_novelty_orders_nothing() -> None:
    bars = np.ones((1, 2, 3))
    given = EffectIntervals(np.zeros((2, 3)), bars, bars, novelty=(0.1, float("nan")))
    assert list(doubts(given)) == ["error bar"]


def test_densities_average_to_one_and_the_last_bin_holds_its_end() -> None:
    density = pit_density(np.array([[0.0, 0.05, 1.0, 0.999]]))
    assert density.shape == (1, BINS)
    assert density.mean() == pytest.approx(1.0)
    assert density[0, 0] == density[0, -1] == pytest.approx(BINS / 2)
