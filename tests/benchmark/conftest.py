"""The smallest settings that a benchmark runs with, and score tables to run it on."""

from __future__ import annotations

import pytest

from gpjepa.core.config import Config


@pytest.fixture(scope="session")
def config() -> Config:
    return Config(
        encoder={"latent": 8, "hidden": 16},
        predictor={"width": 16},
        pretrain={"epochs": 1, "min_steps": 2, "max_steps": 3},
        fit={"epochs": 1, "min_steps": 4, "max_steps": 6},
    )
