from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gpjepa.inference.calibration import (
    COMBINATION,
    MODEL,
    NOVEL,
    SUM,
    Calibration,
    Choice,
)
from gpjepa.inference.error_model import PLACED, believed


def calibration() -> Calibration:
    errors = {COMBINATION: replace(believed(), calibrated=True), NOVEL: believed()}
    choice = Choice(SUM, {MODEL: 2.0, SUM: 1.5}, 0.1, 11)
    return Calibration(errors, {COMBINATION: choice}, 20, True, False)


def test_a_calibration_survives_json() -> None:
    own = calibration()
    assert Calibration.from_json(json.loads(json.dumps(own.to_json()))) == own


def test_a_kind_without_validation_is_what_simulations_suggest_of_the_model() -> None:
    own = Calibration({}, {}, 0, False, False)
    assert own.error_model(COMBINATION) == believed()
    assert own.error_model(NOVEL) == believed(PLACED)
    assert own.choice(NOVEL).source == MODEL
    assert not own.calibrated
    assert calibration().calibrated


def test_a_run_saved_before_there_were_error_models_is_uncalibrated() -> None:
    document = {
        "half_widths": [0.1] * 99,
        "perturbations": 20,
        "supports_interactions": True,
        "supports_novel": False,
    }
    found = Calibration.from_json(document)
    assert not found.calibrated
    assert found.supports_interactions


def test_numbers_that_are_missing_or_too_few_are_refused() -> None:
    document = calibration().to_json()
    document["errors"][COMBINATION]["weights"] = [0.5, 0.5]
    with pytest.raises(ValueError, match="2 weights, expected 13"):
        Calibration.from_json(document)
    with pytest.raises(KeyError):
        Calibration.from_json({"errors": {}})
