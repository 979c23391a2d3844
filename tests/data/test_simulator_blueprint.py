from dataclasses import replace

import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.data.simulator_blueprint import PROFILE_COLUMNS, checked
from gpjepa.data.simulator_config import FreeConfig
from gpjepa.data.simulator_free import free_blueprint
from gpjepa.data.simulator_norman import NormanConfig, norman_blueprint


def test_both_presets_describe_their_cells_by_the_same_columns() -> None:
    free = free_blueprint(FreeConfig(genes=40, perturbed=3, pairs=2), 0)
    norman = norman_blueprint(NormanConfig(least_cpm=100.0))
    for blueprint in (free, norman):
        assert tuple(blueprint.profiles.columns) == PROFILE_COLUMNS
        assert blueprint.rates.shape == (len(blueprint.profiles), len(blueprint.genes))


def test_rates_above_the_whole_transcriptome_are_refused_naming_the_perturbation() -> None:
    blueprint = norman_blueprint(NormanConfig(least_cpm=100.0))
    rates = blueprint.rates.copy()
    rates[1] *= 100
    label = blueprint.profiles["perturbation"].iloc[1]
    with pytest.raises(ConfigError, match=f"simulated perturbation '{label}' add up to"):
        checked(replace(blueprint, rates=rates))
