from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import polygamma

from gpjepa.data.simulator import simulate
from gpjepa.data.simulator_config import SimulationConfig
from gpjepa.data.simulator_spread import true_spread
from gpjepa.data.simulator_truth import Truth

GENES = np.arange(4)
SIZE, SHIFT = 3.0, 1.2  # NB size, and log ratio of responders to the others


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Deep cells, so that counts add no noise and log1p is the logarithm."""
    _, drawn = simulate(
        SimulationConfig.model_validate(
            {
                "preset": "free",
                "cells": {"control": 20, "perturbed": 12, "library_log_sd": 0.2},
                "free": {"genes": 30, "perturbed": 3, "pairs": 1, "responders": (0.5, 0.5)},
            }
        )
    )
    deep = np.full((len(drawn.rates), 30), 0.02)
    deep[drawn.profiles["responder"].to_numpy(bool)] *= np.exp(SHIFT)
    return replace(drawn, rates=deep, size=np.full(30, SIZE), target=1e7)


def test_responders_and_own_rates_share_the_variance_of_deep_cells(truth) -> None:
    shares, errors = true_spread(truth, truth.perturbations[0], GENES, cells=20_000)
    own, latent = float(polygamma(1, SIZE)), 0.25 * SHIFT**2
    expected = np.array([0.0, own, latent, 0.0]) / (own + latent)
    assert shares.sum() == pytest.approx(1.0)
    assert (np.abs(shares - expected) < 4 * errors + 0.005).all()
    assert shares[2] > 0.4


def test_without_escapers_the_latent_adds_nothing(truth) -> None:
    profiles = truth.profiles.assign(weight=truth.profiles["responder"].astype(float))
    shares, errors = true_spread(replace(truth, profiles=profiles), truth.perturbations[0], GENES)
    assert abs(shares[2]) < 4 * errors[2]


def test_states_of_cells_belong_to_the_control(truth) -> None:
    states = np.array([[0.2], [1.8]]) * np.ones((2, 30))
    more, _ = true_spread(replace(truth, states=states), truth.perturbations[0], GENES)
    plain, _ = true_spread(truth, truth.perturbations[0], GENES)
    assert more[1] > plain[1] + 0.15


def test_counts_take_over_in_shallow_cells(truth) -> None:
    shallow = replace(truth, target=100.0)
    assert true_spread(shallow, truth.perturbations[0], GENES)[0][3] > 0.2
