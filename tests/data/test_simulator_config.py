import pytest
from pydantic import ValidationError

from gpjepa.core.errors import ConfigError
from gpjepa.data.simulator_config import SimulationConfig


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"'cells.contrl' is not known.*did you mean 'control'"):
        SimulationConfig(cells={"contrl": 5})
    with pytest.raises(ConfigError, match="'presett' is not known"):
        SimulationConfig.model_validate({"presett": "free"})


@pytest.mark.parametrize(
    "document",
    [
        {"cells": {"control": 0}},
        {"cells": {"library_median": 0.5}},
        {"free": {"panel_share": 1.0}},
        {"free": {"doses": [0.0]}},
        {"free": {"responders": [0.2, 1.2]}},
        {"preset": "replogle"},
        {"seed": -1},
    ],
)
def test_a_value_out_of_range_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"expected: .*; change the value"):
        SimulationConfig.model_validate(document)


def test_numbers_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="'free.pairs' is 4; expected at most the 3 pairs"):
        SimulationConfig(free={"perturbed": 3, "pairs": 4})
    with pytest.raises(ConfigError, match="'free.triples' is 2; expected at most the 1 triples"):
        SimulationConfig(free={"perturbed": 3, "pairs": 3, "triples": 2})
    with pytest.raises(ConfigError, match="'free.perturbed' is 30; expected at most free.genes"):
        SimulationConfig(free={"genes": 20})
    with pytest.raises(ConfigError, match="'free.sequences' is 61"):
        SimulationConfig(free={"sequences": 61})
    with pytest.raises(ConfigError, match="lower end of the range first"):
        SimulationConfig(free={"responders": (0.9, 0.1)})


def test_settings_of_the_command_line_override_one_value_and_keep_the_rest() -> None:
    config = SimulationConfig(cells={"control": 7})
    changed = config.override(["preset=free", "cells.perturbed=3", "free.doses=[0.1, 1]"])
    assert (changed.preset, changed.cells.control, changed.cells.perturbed) == ("free", 7, 3)
    assert changed.free.doses == (0.1, 1.0)
    assert config.cells.perturbed == 100
    for setting in ("cells.control", "a.b.c=1"):
        with pytest.raises(ConfigError, match=r"expected section\.key=value"):
            config.override([setting])
    with pytest.raises(ConfigError, match="'cell' is not known"):
        config.override(["cell.control=3"])


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SimulationConfig().seed = 3  # type: ignore[misc]
