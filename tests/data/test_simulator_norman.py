import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.data.labels import CONTROL, members_of
from gpjepa.data.simulator_config import NormanConfig
from gpjepa.data.simulator_norman import MILLION, norman_blueprint
from gpjepa.data.tables import norman_effects


def test_all_singles_and_the_doubles_with_both_singles_are_there() -> None:
    labels = list(norman_blueprint(NormanConfig()).profiles["perturbation"])
    sizes = [len(members_of(label)) for label in labels]
    assert (sizes.count(0), sizes.count(1), sizes.count(2)) == (1, 104, 126)
    assert labels[0] == CONTROL


def test_effects_are_the_measured_ones_wherever_nothing_is_clipped() -> None:
    blueprint = norman_blueprint(NormanConfig())
    labels = list(blueprint.profiles["perturbation"])[1:]
    logged = np.log1p(MILLION * blueprint.rates)
    effects = logged[1:] - logged[0]
    measured = np.asarray(norman_effects()[labels, list(blueprint.genes)].X, dtype=np.float64)
    clipped = blueprint.rates[1:] == 0
    assert 0 < clipped.mean() < 0.06
    np.testing.assert_allclose(effects[~clipped], measured[~clipped], atol=1e-9)
    assert (effects[clipped] >= measured[clipped]).all()


def test_expression_and_size_are_those_of_k562() -> None:
    blueprint = norman_blueprint(NormanConfig())
    assert len(blueprint.genes) == 1530
    assert (blueprint.size > 0).all()
    assert 0.05 < blueprint.rates[0].sum() < 0.6


def test_weakly_expressed_genes_can_be_left_out() -> None:
    blueprint = norman_blueprint(NormanConfig(least_cpm=10.0))
    assert 300 < len(blueprint.genes) < 600
    assert (MILLION * blueprint.rates[0] >= 10.0).all()
    with pytest.raises(ConfigError, match=r"'norman\.least_cpm' is 99999\.0"):
        norman_blueprint(NormanConfig(least_cpm=99_999.0))
