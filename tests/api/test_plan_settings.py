from __future__ import annotations

import pytest

from gpjepa.api.plan_settings import Search
from gpjepa.core.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budget": 0}, "budget is 0"),
        ({"cells": 0}, "cells is 0"),
        ({"top": 0}, "top is 0"),
        ({"share": 0}, "share is 0"),
        ({"level": 1.0}, "level"),
        ({"size_cost": -1.0}, "size_cost is -1"),
        ({"cost_weight": float("nan")}, "cost_weight is nan"),
        ({"risk": float("inf")}, "risk is inf"),
        ({"energy": "distance"}, "energy 'distance' is not known.*energy-distance"),
        ({"mode": "mean"}, "mode 'mean' is not known.*mean-shift"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(changes: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Search(**changes)


def test_settings_are_recorded_as_they_are() -> None:
    told = Search(risk=-1.0, share=2).to_json()
    assert (told["risk"], told["share"], told["planner"]) == (-1.0, 2, "cem")
